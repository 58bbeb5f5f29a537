"""Runs commands of Cloudify's own client, as they are: each in a fork that has imported what they stand on.

The client itself is imported in the fork: it reads its profile as it is imported.

Run by the client's Python, with the client's folder in CFY_WORKDIR. Each line of stdin is a JSON list of
arguments; each line of stdout is what became of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import IO, NoReturn

LIMIT = 1 << 20


def become(arguments: list[str], output: IO[bytes]) -> NoReturn:
    """Be `cfy` with these arguments."""
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["cfy", *arguments]
    code = 1
    try:
        from cloudify_cli import main  # noqa: PLC0415 - see above

        main._make_cfy()()  # noqa: SLF001 - what its console script calls
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:  # noqa: BLE001 - what the interpreter would do: the client has a hook for it
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(arguments: list[str]) -> dict[str, object]:
    """Run one command; its exit code and all that it printed."""
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            become(arguments, output)
        _, status = os.waitpid(pid, 0)
        output.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "output": output.read(LIMIT).decode()}


if __name__ == "__main__":
    import click  # noqa: F401 - so that no fork has to, as what follows
    import dsl_parser.parser  # noqa: F401
    import requests  # noqa: F401

    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
