"""What a bulk import takes, and how uses fare beside it: their median by that of a quiet server, the longest.

python tests/benchmarks/imports.py [ENTRIES] [DATABASE...]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the package and the tests that lie here

from load_clients import Connection, request
from load_servers import resolver_server

from resolver.bootstrap.initialise import FIRST_TENANT
from tests.databases import DIALECTS

if TYPE_CHECKING:
    from load_clients import Client
    from load_servers import Server

_QUIET_SECONDS = 5.0

_OTHER = "127.0.0.9"
"""Where the import comes from: another address than the uses, since each has its share of the server."""

LIMIT, LIMIT_SECONDS = 3.0, 10.0
"""How much longer the median use may take beside an import, and how long one of 10,000 entries may."""


def _uses(client: Client, until: threading.Event) -> list[float]:
    """How long each use took, one after the other."""
    times = []
    while not until.is_set():
        began = time.perf_counter()
        client.run()
        times.append(time.perf_counter() - began)
    return times


def _body(entries: int, value: str, *, override: bool) -> dict[str, Any]:
    return {
        "tenant": FIRST_TENANT,
        "override": override,
        "entries": [
            {
                "key": f"imported{number}",
                "tenant": FIRST_TENANT,
                "versions": [{"number": 1, "value": f"{value}, and as long as a password is {number}"}],
            }
            for number in range(entries)
        ],
    }


def _measured(server: Server, entries: int, value: str, *, override: bool) -> tuple[float, list[float]]:
    """How long an import took, and the uses beside it."""
    port = int(server.environment["RESOLVER_URL"].rpartition(":")[2])
    token = {"Authentication-Token": server.environment["RESOLVER_TOKEN"]}
    whole = request("POST", "/api/v1/resolver/import", token, _body(entries, value, override=override))
    took: list[float] = []
    done = threading.Event()

    def run() -> None:
        try:
            connection, began = Connection(port, _OTHER), time.perf_counter()
            if connection.ask(whole)["stored"] != entries:
                raise SystemExit("not all entries were stored")
            took.append(time.perf_counter() - began)
            connection.close()
        finally:
            done.set()

    importing = threading.Thread(target=run)
    client = server.clients(["used"])()
    importing.start()
    times = _uses(client, done)
    importing.join()
    client.close()
    return took[0], times


def _put(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure on each database: an import of new secrets, and one that gives all of them other values."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    _put("| database | entries | import | quiet median | median beside it | longest beside it |")
    _put("|---|---|---|---|---|---|")
    for dialect in sys.argv[2:] or DIALECTS:
        with (
            tempfile.TemporaryDirectory() as folder,
            resolver_server(dialect, {"used": "value"}, Path(folder)) as server,
        ):
            client, over = server.clients(["used"])(), threading.Event()
            threading.Timer(_QUIET_SECONDS, over.set).start()
            quiet = median(_uses(client, over))
            client.close()
            for value, override in (("new", False), ("another", True)):
                seconds, times = _measured(server, entries, value, override=override)
                what = f"{entries:,} {'overriding' if override else 'new'}"
                ratio = f"{median(times) * 1000:.1f} ms ({median(times) / quiet:.1f}x)"
                longest = f"{max(times) * 1000:.0f} ms"
                _put(
                    f"| {dialect} | {what} | {seconds:.1f} s | {quiet * 1000:.1f} ms | {ratio} | {longest} |"
                )


if __name__ == "__main__":
    main()
