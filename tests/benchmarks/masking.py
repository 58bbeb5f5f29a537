"""What masking costs: a stream through a pump that masks, beside the same stream through `cat`."""

from __future__ import annotations

import os
import secrets
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from measure import alternate, whole_time

from resolver.delivery.masking import Masker, needles_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from resolver.delivery.masking import Needles

_CHUNK = 1 << 16
_SECRETS = 20
_EVERY = 500
"""One line in so many holds a value, in the third of the outputs."""


def time_masking(directory: Path, size: int, repeats: int) -> Mapping[str, Mapping[str, float]]:
    """Time the ways in which a stream can pass, for several kinds of output.

    Args:
        directory: where the outputs are put.
        size: how long each output is, in bytes.
        repeats: how often each is timed.

    Returns:
        For each kind of output the seconds of each way, `cat` first.
    """
    values = [secrets.token_urlsafe(24) for _ in range(_SECRETS)]
    needles, _ = needles_for([(f"key{number}", value, ()) for number, value in enumerate(values)])
    found: dict[str, Mapping[str, float]] = {}
    for kind, data in _outputs(values, size).items():
        path = directory / "output"
        path.write_bytes(data)
        jobs: dict[str, Callable[[], object]] = {
            "cat": partial(_through_cat, path),
            "copied by Python": partial(_through_pump, path, None),
            "masked": partial(_through_pump, path, needles),
        }
        found[kind] = alternate(jobs, repeats, whole_time)
        path.unlink()
    return found


def _outputs(values: list[str], size: int) -> dict[str, bytes]:
    line = b"2026-05-01T12:00:00 INFO deploy: node web_0 created, waiting for 10.0.0.1:8080/health id=%s\n"
    lines = [line % secrets.token_hex(8).encode() for _ in range(size // len(line))]
    spotted = [
        values[number % len(values)].encode() + text if number % _EVERY == 0 else text
        for number, text in enumerate(lines)
    ]
    return {
        "log lines": b"".join(lines),
        "random base64": secrets.token_urlsafe(size * 3 // 4).encode(),
        f"log lines, a value in every {_EVERY}th": b"".join(spotted),
    }


def _through_cat(path: Path) -> None:
    _consume(lambda target: subprocess.run(["cat", path], stdout=target, check=True))


def _through_pump(path: Path, needles: Needles | None) -> None:
    def pump(target: int) -> None:
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            source = process.stdout.fileno()
            masker = None if needles is None else Masker(needles)
            while chunk := os.read(source, _CHUNK):
                _write(target, chunk if masker is None else masker.feed(chunk))
            if masker is not None:
                _write(target, masker.feed(b"", last=True))

    _consume(pump)


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def _consume(produce: Callable[[int], object]) -> None:
    """Read a stream to its end in a process of its own, as whoever reads a log does."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None
        produce(reader.stdin.fileno())
        reader.stdin.close()
