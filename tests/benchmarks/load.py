"""What a server bears: batches of keys from several clients at once, beside OpenBao asked key by key.

    python tests/benchmarks/load.py [--keys 1 20 200] [--clients 1 8 32] [--seconds 2]

All servers run at the same time, as processes of their own on loopback with their audit on, and are asked in
turn. Each client has one kept connection. After the figures stands how many times better they are than those
of OpenBao with a client that does hardly anything. CPU is the server's own, without a database's.
Nothing is asserted: a time is no test.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from load_clients import put_load
from load_servers import openbao_server, resolver_server

if TYPE_CHECKING:
    from load_clients import Load

DIALECTS = ("sqlite", "postgresql")


def main() -> None:
    """Put each server under each load, and print what came out."""
    parser = argparse.ArgumentParser(description="print what a server bears, beside OpenBao")
    parser.add_argument("--keys", type=int, nargs="+", default=[1, 20, 200], help="keys in a batch")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="clients at once")
    parser.add_argument("--seconds", type=float, default=2, help="how long each load lasts")
    parser.add_argument("--only", nargs="+", choices=DIALECTS, default=DIALECTS, help="databases")
    options = parser.parse_args()
    names = [f"key{number}" for number in range(max(options.keys))]
    secrets = {name: f"the password of {name}, made up" for name in names}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="resolver-load-")))
        bao, lean_bao = stack.enter_context(openbao_server(secrets, directory))
        ours = [stack.enter_context(resolver_server(one, secrets, directory)) for one in options.only]
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        _say(f"{os.cpu_count()} processors, load of the machine before: {load}")
        _say(f"{'keys':>5} {'clients':>7}  {'':<24} {'batches/s':>9} {'p50':>10} {'p99':>10} {'CPU':>10}")
        for count, clients in itertools.product(options.keys, options.clients):
            base: Load | None = None
            for server in (lean_bao, bao, *ours):
                found = put_load(server.clients(names[:count]), clients, options.seconds, server.cpu)
                base = base or found
                _say(f"{count:>5} {clients:>7}  {server.name:<24} {_told(found, base)}")


def _told(load: Load, base: Load) -> str:
    """The numbers of a load, and how many times better they are than those of the first."""
    times = "".join(f" {seconds * 1000:>7.1f} ms" for seconds in (load.p50, load.p99, load.cpu))
    line = f"{load.rate:>9.1f}{times}"
    if load is base:
        return line
    ratios = (load.rate / base.rate, base.p50 / load.p50, base.p99 / load.p99, base.cpu / load.cpu)
    return f"{line}   {' '.join(f'{ratio:.1f}x' for ratio in ratios)}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
