"""A server on loopback that answers as a test says, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from resolver.http.url import Url


@dataclass
class Peer:
    """What a test knows of the server.

    Args:
        port: where it listens, on 127.0.0.1.
        seen: the head of each request that came, as text.
        bodies: what came with each.
    """

    port: int
    seen: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def parsed_url(self) -> Url:
        """Its URL, parsed."""
        from resolver.http.url import parse_url  # noqa: PLC0415

        return parse_url(self.url)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.contextmanager
def serving(
    reply: Callable[[str], bytes | Iterator[bytes]], tls: ssl.SSLContext | None = None
) -> Iterator[Peer]:
    """A server that gives each request's head to `reply` and sends what it returns."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                line = self.rfile.readline(65537)
                if not line:
                    return
                head += line
            # What is left unread would reset the connection, and take the answer with it.
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            peer.bodies.append(self.rfile.read(int(length.group(1)) if length else 0))
            peer.seen.append(head.decode("latin-1"))
            sent = reply(head.decode("latin-1"))
            with contextlib.suppress(OSError):
                for part in [sent] if isinstance(sent, bytes) else sent:
                    self.wfile.write(part)
                    self.wfile.flush()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            return (tls.wrap_socket(connection, server_side=True) if tls else connection), address

    with Server(("127.0.0.1", 0), Handler) as server:
        peer = Peer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()
