"""Runs the steps that stdin lists, in JSON, and writes how they ended to stdout, in JSON.

It is itself run under strace, so it uses pipes and terminals only. A step has

- `command`: the arguments, the first one a path;
- `fork`: whether it is a console script that is forked from this process, which has all imported;
- `stdin`: text for its stdin, a pipe;
- `typed`: instead, it runs on a terminal, where each text is typed after the one it is paired with appeared;
- `env`: more environment;
- `file`: a file that stdout goes to;
- `hold`: a database that is kept open until the next step that says so, so that its WAL stays;
- `keep`: the name under which its output is kept, to stand in for `<NAME>` in later environments.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ROOM = 1 << 20
"""Bytes that a forked step may write to each stream: nobody reads before its end."""


def be(step: dict[str, Any], env: dict[str, str]) -> NoReturn:
    """Be a step."""
    if step.get("fork"):
        prefork = importlib.import_module("tests.cli.prefork")
        prefork.be(step["command"], env)
    os.execve(step["command"][0], step["command"], env)


def run_forked(step: dict[str, Any], env: dict[str, str]) -> dict[str, Any]:
    """Run a step on pipes, as a process that was forked rather than started."""
    pipes = [os.pipe() for _ in range(3)]
    for _, writing in pipes:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, ROOM)
    (stdin, given), (out, stdout), (err, stderr) = pipes
    os.write(given, step.get("stdin", "").encode())
    os.close(given)
    if "file" in step:
        os.close(stdout)
        stdout = os.open(step["file"], os.O_WRONLY | os.O_CREAT)
    pid = os.fork()
    if pid == 0:
        for number, descriptor in enumerate((stdin, stdout, stderr)):
            os.dup2(descriptor, number)
        os.closerange(3, stderr + 1)
        be(step, env)
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(out) as told, os.fdopen(err) as said:
        return {"code": os.waitstatus_to_exitcode(status), "out": told.read(), "err": said.read()}


def run_piped(step: dict[str, Any], env: dict[str, str]) -> dict[str, Any]:
    """Run a step on pipes."""
    out = os.open(step["file"], os.O_WRONLY | os.O_CREAT) if "file" in step else subprocess.PIPE
    done = subprocess.run(
        step["command"],
        input=step.get("stdin", "").encode(),
        stdout=out,
        stderr=subprocess.PIPE,
        env=env,
        timeout=60,
        check=False,
    )
    return {"code": done.returncode, "out": (done.stdout or b"").decode(), "err": done.stderr.decode()}


def run_typed(step: dict[str, Any], env: dict[str, str]) -> dict[str, Any]:
    """Run a step on a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        be(step, env)
    seen = b""
    pending = list(step["typed"])
    position = 0
    with suppress(OSError):  # what reading a terminal ends in when the other side is closed
        while piece := os.read(terminal, 65536):
            seen += piece
            if pending and (at := seen.find(pending[0][0].encode(), position)) >= 0:
                position = at + len(pending[0][0])
                os.write(terminal, pending.pop(0)[1].encode() + b"\n")
    os.close(terminal)
    status = os.waitpid(pid, 0)[1]
    return {"code": os.waitstatus_to_exitcode(status), "out": seen.decode(), "err": ""}


def hold(database: str) -> int:
    """Keep a database open, in a process of its own: what is forked may not have it open. Its id."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        held = sqlite3.connect(database)
        held.execute("SELECT count(*) FROM secret").fetchone()
        os.write(writing, b".")
        signal.pause()
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return pid


def main() -> None:
    """Run all steps."""
    results: list[dict[str, Any]] = []
    kept: dict[str, str] = {}
    holder = 0
    steps = json.load(sys.stdin)
    if any(step.get("fork") for step in steps):
        sys.path.append(str(Path(__file__).parents[2]))
        importlib.import_module("tests.cli.prefork").load()
    for step in steps:
        if "hold" in step:
            if holder:
                os.kill(holder, signal.SIGKILL)
                os.waitpid(holder, 0)
            holder = hold(step["hold"]) if step["hold"] else 0
        more = {name: kept.get(value, value) for name, value in step.get("env", {}).items()}
        env = os.environ | more
        run = run_typed if "typed" in step else run_forked if step.get("fork") else run_piped
        result = run(step, env)
        if "keep" in step:
            kept[f"<{step['keep']}>"] = result["out"].strip()
        results.append(result)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
