"""Runs the steps that stdin lists, in JSON, and writes how they ended to stdout, in JSON.

It is itself run under strace, so it uses pipes and terminals only. A step has

- `command`: the arguments, the first one a path;
- `stdin`: text for its stdin, a pipe;
- `typed`: instead, it runs on a terminal, where each text is typed after the one it is paired with appeared;
- `env`: more environment;
- `file`: a file that stdout goes to;
- `hold`: a database that is kept open until the next step that says so, so that its WAL stays;
- `keep`: the name under which its output is kept, to stand in for `<NAME>` in later environments.
"""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import suppress
from typing import Any


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
        os.execve(step["command"][0], step["command"], env)
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


def main() -> None:
    """Run all steps."""
    results: list[dict[str, Any]] = []
    kept: dict[str, str] = {}
    held: sqlite3.Connection | None = None
    for step in json.load(sys.stdin):
        if "hold" in step:
            if held is not None:
                held.close()
            held = sqlite3.connect(step["hold"]) if step["hold"] else None
            if held is not None:
                held.execute("SELECT count(*) FROM secret").fetchone()
        more = {name: kept.get(value, value) for name, value in step.get("env", {}).items()}
        env = os.environ | more
        result = run_typed(step, env) if "typed" in step else run_piped(step, env)
        if "keep" in step:
            kept[f"<{step['keep']}>"] = result["out"].strip()
        results.append(result)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
