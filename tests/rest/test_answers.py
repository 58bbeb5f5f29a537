"""Large answers: written in pieces, the same JSON, and what they cost in memory on both sides."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from resolver.client.session import ServerSession
from resolver.http.transport import HttpRequest, send_request
from resolver.http.url import parse_url
from resolver.rest.responses import Answer, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

MIB = 1 << 20
SIZE = 16 * MIB


def sent(answer: Answer) -> tuple[int, list[int], bytes]:
    """What an answer sends: its length as announced, the sizes of its pieces, and all of it."""
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    asyncio.run(answer({}, send, send))  # type: ignore[arg-type] # it receives nothing
    pieces = [message["body"] for message in messages[1:]]
    assert [message.get("more_body", False) for message in messages[1:]] == [True] * (len(pieces) - 1) + [
        False
    ]
    return int(answer.headers["content-length"]), list(map(len, pieces)), b"".join(pieces)


@pytest.mark.parametrize(
    "data",
    [
        {"a": 1},
        {"values": {f"k{number}": "v" * 1000 for number in range(500)}, "rest": [1, None, True, 2.5]},
        {"long": 'quoted " \\ \n \U0001f600 \ud800 é' * 20_000, "after": [], "empty": {}},
        [["x" * 70_000], [], *range(30_000), {"k": ["y" * 200_000] * 2}, "z"],
        "s" * 100_000,
        {"n" * 100_000: {"m" * 100_000: [1]}},
    ],
    ids=["small", "many", "escapes", "nested", "text", "long names"],
)
def test_pieces_are_the_same_json(data: object) -> None:
    """Byte for byte what one call of the library writes, whose length is announced."""
    expected = json.dumps(data, separators=(",", ":")).encode()
    length, sizes, body = sent(Answer(data))
    assert (length, body) == (len(expected), expected)
    assert whole(data) == expected
    assert max(sizes) <= 64 * 1024 * 6 + 200_000  # a name is in one piece


@contextmanager
def _measured() -> Iterator[list[int]]:
    """The most memory that was in use within the block, beyond what was before; in bytes."""
    found: list[int] = []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield found
        found.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()


def test_a_large_answer_is_written_once() -> None:
    """Beside the data, which the service has, there is one copy of it."""
    data = {"values": {f"k{number}": "v" * MIB for number in range(SIZE // MIB)}}
    with _measured() as most:
        pieces = dropped(Answer(data))
    assert pieces > SIZE // (64 * 1024)
    assert most[0] < 1.2 * SIZE


def dropped(answer: Answer) -> int:
    """Send an answer to nobody; how many pieces it had."""
    count = 0

    async def send(_message: object) -> None:
        nonlocal count
        count += 1

    asyncio.run(answer({}, send, send))  # type: ignore[arg-type] # as above
    return count


def test_a_client_holds_a_large_answer_twice_at_most() -> None:
    """As bytes and as text, then as text and as data."""
    body = json.dumps({"values": {f"k{number}": "v" * MIB for number in range(SIZE // MIB)}}).encode()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(64 * 1024)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode())
                connection.sendall(body)

        thread = threading.Thread(target=serve)
        thread.start()
        url = parse_url(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with _measured() as most:
            answer = send_request(url, HttpRequest("GET", "/"), timeout=200)
            data = ServerSession(url)._parsed(answer.body)  # noqa: SLF001 - how it reads an answer
        thread.join()
    assert len(data["values"]) == SIZE // MIB
    assert answer.body == b""
    assert most[0] < 2.4 * SIZE
