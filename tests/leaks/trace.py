"""Runs steps under strace, and tells what they wrote, where, and which files and programs they named."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.leaks.marks import Marks

TIMEOUT = 1200
DRIVER = Path(__file__).with_name("driver.py")
DUMPABLE = Path(__file__).with_name("dumpable")
"""A folder to import from that leaves console scripts dumpable: strace can't read the memory of others."""

_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg")
_NAMES = (
    *("open", "creat", "openat", "openat2", "rename", "renameat", "renameat2", "link", "linkat", "symlink"),
    *("symlinkat", "mkdir", "mkdirat", "mknod", "mknodat", "setxattr", "lsetxattr", "fsetxattr"),
)
_MOVES = {"sendfile": 0, "vmsplice": 0, "splice": 1, "tee": 1, "copy_file_range": 1}
"""Calls that move data without showing it, and which of their descriptors it goes to."""

_OPAQUE = ("io_uring_setup", "process_vm_writev")
"""Calls after which data is written that is not seen at all."""

_CALL = re.compile(r"\d+ +(\w+)\((.*)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(
    r"\b\d+<((?:\\x[0-9a-f]{2})+|[A-Z][^>]*(?:->[^>]*)?)(?:<(\w+) [^>]*>)?>(\(deleted\))?"
)

needs_strace = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None,
    reason="strace is not installed, so what reaches files can't be seen",
)


@dataclass(frozen=True)
class Trace:
    """What was seen.

    Args:
        files: what was written to each file, in the order of time, by path; tmpfs counts as files.
        streams: what was written to everything else, by kind: pipe, memfd, socket, char.
        names: the file names in calls that can make a file or give it a name.
        programs: the arguments of each program that was started.
        mapped: files that were mapped for writing and shared, so that strace does not see what is written.
        unseen: calls that moved data into a file without showing it.
    """

    files: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    streams: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    names: list[bytes] = field(default_factory=list)
    programs: list[list[bytes]] = field(default_factory=list)
    mapped: set[str] = field(default_factory=set)
    unseen: list[str] = field(default_factory=list)

    def find(self, marks: Marks) -> list[str]:
        """Which marks were written to a file or named one, each with its path; and data that was not seen."""
        found = [f"{path}: {what}" for path, data in self.files.items() for what in marks.find(bytes(data))]
        found += [f"a file name: {what}" for what in marks.find(b"\n".join(self.names))]
        return found + self.unseen

    def programs_with(self, marks: Marks) -> list[str]:
        """The programs that were started with a mark in their arguments."""
        return [
            Path(os.fsdecode(arguments[0])).name
            for arguments in self.programs
            if marks.find(b"\0".join(arguments))
        ]


@dataclass(frozen=True)
class Result:
    """How one step ended; on a terminal stdout and stderr are one."""

    code: int
    out: str
    err: str


def trace(
    steps: Sequence[Mapping[str, Any]], folder: Path, env: Mapping[str, str]
) -> tuple[Trace, list[Result]]:
    """Run steps under strace, one after the other.

    Args:
        steps: what `driver` takes.
        folder: where the trace is written.
        env: more environment.
    """
    log = folder / "trace"
    # The question mark: not every machine has every call.
    traced = ",".join(
        f"?{name}" for name in (*_WRITES, *_NAMES, *_MOVES, *_OPAQUE, "mmap", "execve", "execveat")
    )
    done = subprocess.run(
        [
            *("strace", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", f"trace={traced}"),
            # Whole strings, every byte in hexadecimal, and with each descriptor what it is.
            *("-s", "10000000", "-xx", "-yy", "-o", log),
            *(sys.executable, "-B", DRIVER),
        ],
        input=json.dumps(list(steps)).encode(),
        env=clean_environment() | {"PYTHONPATH": str(DUMPABLE)} | dict(env),
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    with log.open(encoding="utf-8", errors="surrogateescape") as lines:
        seen = parse(lines)
    return seen, [Result(**result) for result in json.loads(done.stdout)]


def parse(lines: Iterable[str]) -> Trace:
    """Read strace's output."""
    seen = Trace()
    for line in lines:
        found = _CALL.match(line)
        if found is None:
            continue  # the second half of a call that was interrupted; the first half shows what is written
        call, rest = found.groups()
        if call in _WRITES:
            _keep_write(seen, rest)
        elif call in _MOVES:
            _keep_move(seen, call, rest)
        elif call in _OPAQUE:
            seen.unseen.append(call)
        elif call == "mmap":
            if "MAP_SHARED" in rest and "PROT_WRITE" in rest:
                seen.mapped.update(path for kind, path in _places(rest) if kind == "file")
        elif call.startswith("execve"):
            seen.programs.append(_strings(rest)[1:])
        elif "O_CREAT" in rest or not call.startswith("open"):
            seen.names.extend(_strings(rest))
    return seen


def _keep_move(seen: Trace, call: str, rest: str) -> None:
    places = _places(rest)
    kind, path = places[min(_MOVES[call], len(places) - 1)]
    # From one file to another there is nothing new: what the first one got was seen.
    if kind == "file" and [kind for kind, _ in places] != ["file", "file"]:
        seen.unseen.append(f"{call} to {path}")


def _keep_write(seen: Trace, rest: str) -> None:
    data = b"".join(_strings(rest))
    kind, path = _places(rest)[0]
    if kind == "file":
        seen.files[path] += data
    else:
        seen.streams[kind] += data


def _strings(rest: str) -> list[bytes]:
    return [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(rest)]


def _places(rest: str) -> list[tuple[str, str]]:
    """The kind and the path of each descriptor of a call; what is not known to be anything else is a file."""
    places = []
    for text, special, deleted in _DESCRIPTOR.findall(rest):
        if not text.startswith("\\x"):
            places.append(("socket", text))
            continue
        path = os.fsdecode(bytes.fromhex(text.replace("\\x", "")))
        if special == "char":
            kind = "char"
        elif path.startswith("pipe:["):
            kind = "pipe"
        elif path.startswith("/memfd:") and deleted:
            kind = "memfd"
        elif path.startswith(("socket:[", "anon_inode:")):
            kind = "socket"
        else:
            kind = "file"
        places.append((kind, path))
    return places or [("file", "a descriptor that strace does not know")]
