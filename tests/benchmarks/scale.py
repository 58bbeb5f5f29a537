"""How the store scales: many keys at once, large stores, rotation, and the audit's share.

    python tests/benchmarks/scale.py [--secrets 100000] [--keys 1 200 2000] [--only sqlite postgresql]

Everything that is compared is timed in one run and printed as ratios: keys together against as many single
reads, and against OpenBao's KV engine asked over HTTP for the same keys on one kept connection; a whole
resolve with its audit and without; a store of a hundredth the size against the whole one; pages of lists. The
quickest of several runs counts, since others share the machine. Nothing is asserted: a time is no test.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
import uuid
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))  # the package and the tests that lie here

from measure import alternate
from sqlalchemy import insert

from resolver.core.binding import Place, Purpose
from resolver.core.model import Scope, SecretValue
from resolver.core.query import Listing, Order
from resolver.resolution import BlueprintText, Options, resolve
from resolver.store import tables as t
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, Postgresql, World, database, raw_connection
from tests.openbao import ROOT_TOKEN, openbao
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.openbao import OpenBao

_CHUNK = 5000
_AT = "2030-01-01T00:00:00.000Z"


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(description="print how the store scales, as ratios")
    parser.add_argument("--secrets", type=int, default=100_000, help="secrets in the store")
    parser.add_argument("--keys", type=int, nargs="+", default=[1, 200, 2000], help="keys at once")
    parser.add_argument("--repeats", type=int, default=5, help="how often each job is timed")
    parser.add_argument("--only", nargs="+", choices=DIALECTS, default=DIALECTS, help="databases")
    options = parser.parse_args()
    bao = Bao(openbao(), max(options.keys))
    for dialect in options.only:
        _say(f"\n{dialect}, {options.secrets} secrets")
        with tempfile.TemporaryDirectory() as folder:
            small = _filled(_database(dialect, Path(folder)), options.secrets // 100)
            large = _filled(_database(dialect, Path(folder)), options.secrets)
            for count in options.keys:
                _compare(large, small, bao, count, options.repeats)
            _list(large, small, options.repeats)
            _rotate(large)
            for world in (small, large):
                world.service.close()


def _database(dialect: str, folder: Path) -> str:
    if dialect == "sqlite":
        return database(dialect, folder)
    server = Postgresql()
    server.make_durable()
    return server.database("made")


def _filled(url: str, count: int) -> World:
    """A store with many secrets, put there past the service: a record for each would take long."""
    started = time.perf_counter()
    world = World(url, SqlStore(url))
    first = world.secret("first")
    with world.store.read() as session:
        stored = session.active_data_key(first.tenant.id)
    if stored is None:
        raise SystemExit("there is no data key")
    key = world.ring.open_data_key(stored)
    for start in range(0, count, _CHUNK):
        rows = [(str(uuid.uuid4()), f"key{number}") for number in range(start, min(count, start + _CHUNK))]
        tables: dict[Any, list[dict[str, Any]]] = {
            t.key_scope: [{"key": name, "scope": "tenant"} for _, name in rows],
            t.secret: [
                {
                    "id": row_id,
                    "tenant_id": first.tenant.id,
                    "key": name,
                    "scope": "tenant",
                    "visibility": "tenant",
                    "hidden": False,
                    "owner_id": first.owner.id,
                    "version": 1,
                    "created_at": _AT,
                    "updated_at": _AT,
                }
                for row_id, name in rows
            ],
            t.secret_version: [
                {
                    "secret_id": row_id,
                    "version": 1,
                    "data_key_id": key.id,
                    "token": key.seal(
                        Place(Purpose.VALUE, first.tenant.id, row_id, name, 1, key.id),
                        SecretValue(f"the password of {name}, made up"),
                    ),
                    "created_at": _AT,
                    "created_by": first.owner.id,
                }
                for row_id, name in rows
            ],
        }
        with raw_connection(url) as connection:
            for table, values in tables.items():
                connection.execute(insert(table), values)
    world.vouch("secret", "secret version")
    world.execute("ANALYZE")
    _say(f"  filled with {count} in {time.perf_counter() - started:.1f} s")
    return world


class Bao:
    """The same secrets in OpenBao's KV engine, each an entry of its own.

    Args:
        server: the server.
        count: how many.
    """

    def __init__(self, server: OpenBao, count: int) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(host, int(port))
        for number in range(count):
            value = f"the password of key{number}, made up"
            entry = json.dumps({"data": {"value": value}})
            while "data" not in self._ask("POST", number, entry):  # a new engine is not ready at once
                time.sleep(0.1)

    def _ask(self, method: str, number: int, body: str | None = None) -> Any:  # noqa: ANN401 - JSON
        path, headers = f"/v1/secret/data/key{number}", {"X-Vault-Token": ROOT_TOKEN}
        self._connection.request(method, path, body, headers)
        return json.loads(self._connection.getresponse().read())

    def read(self, count: int) -> None:
        """Read that many, one after the other, which is all that its API offers; on one new connection."""
        self._connection.close()  # the server may have closed it while other jobs ran; it is opened anew
        for number in range(count):
            self._ask("GET", number)["data"]["data"]["value"]


def _use(world: World, first: int, count: int, *, audited: bool = True) -> None:
    uses = [key_use(f"key{number}") for number in range(first, first + count)]
    quiet = nullcontext() if audited else mock.patch.object(world.service.trail, "commit_all")
    with quiet:
        answer = world.service.use.use(world.admin, "home", uses, DIGESTS)
    if len(answer.secrets) != count:
        raise SystemExit(f"{count} were asked for, {len(answer.secrets)} came")


def _resolve(world: World, count: int, *, audited: bool = True) -> None:
    calls = "".join(f"  k{number}: {{ get_secret: key{number} }}\n" for number in range(count))
    text = BlueprintText("b.yaml", f"a:\n{calls}".encode(), None)
    quiet = nullcontext() if audited else mock.patch.object(world.service.trail, "commit_all")
    with quiet:
        resolve(world.service, world.admin, "home", [text], Options()).blueprints[0].text()


def _singly(world: World, count: int) -> None:
    for number in range(count):
        _use(world, number, 1)


def _compare(large: World, small: World, bao: Bao, count: int, repeats: int) -> None:
    together, singly, unaudited, in_small, elsewhere, whole, whole_unaudited = (
        "together",
        "one by one",
        "together, no audit",
        "together, 1/100 of the store",
        "OpenBao KV",
        "a whole resolve",
        "a whole resolve, no audit",
    )
    jobs: dict[str, Callable[[], object]] = {
        together: partial(_use, large, 0, count),
        unaudited: partial(_use, large, 0, count, audited=False),
        elsewhere: partial(bao.read, count),
        whole: partial(_resolve, large, count),
        whole_unaudited: partial(_resolve, large, count, audited=False),
    }
    if count <= 1000:
        jobs[in_small] = partial(_use, small, 0, min(count, 900))
    times = alternate(jobs, repeats, time.perf_counter)
    times |= alternate(
        {singly: partial(_singly, large, count)}, 1 if count > 1 else repeats, time.perf_counter
    )
    base = times[together]
    for name, seconds in times.items():
        _say(f"  {count:>5} keys  {name:<28} {seconds * 1000:>9.1f} ms  {seconds / base:>7.2f}x")
    for unrecorded, recorded in ((unaudited, together), (whole_unaudited, whole)):
        share = 100 * (1 - times[unrecorded] / times[recorded])
        _say(f"  {count:>5} keys  audit is {share:.0f} % of {recorded}")


def _list(large: World, small: World, repeats: int) -> None:
    """Pages of a hundred, of all secrets or of those that a token's patterns, or a search, let through."""
    narrow = {world.url: world.caller("admin", Scope(keys=("key9*", "other_*"))) for world in (large, small)}
    last = large.service.secrets.list(large.admin, "home", Listing(size=0)).total - 100

    def page(world: World, listing: Listing, *, narrowed: bool = False) -> None:
        caller = narrow[world.url] if narrowed else world.admin
        if not world.service.secrets.list(caller, "home", listing).items:
            raise SystemExit("a page is empty")

    by_key = [Order.parse("-key")]
    times = alternate(
        {
            "first page, 1/100 of the store": partial(page, small, Listing(size=100)),
            "first page": partial(page, large, Listing(size=100)),
            "last page": partial(page, large, Listing(size=100, offset=last)),
            "first page, sorted by key": partial(page, large, Listing(size=100, order=by_key)),
            "first page of a search": partial(page, large, Listing("99", size=100)),
            "first page, token narrowed to keys": partial(page, large, Listing(size=100), narrowed=True),
        },
        repeats,
        time.perf_counter,
    )
    for name, seconds in times.items():
        _say(f"  list        {name:<35} {seconds * 1000:>9.1f} ms")


def _rotate(world: World) -> None:
    def quiet(_doing: str, _more: int) -> None:
        pass

    for name, rotate in {
        "rotate-data, each sealed anew and proved": partial(world.service.keys.rotate_data, world.admin, ""),
        "rotate-root's proof, each decrypted": partial(
            world.service.keys.rotate_root,
            world.admin,
            world.service.keys.status(world.admin).root_keys[0].id,
        ),
    }.items():
        started = time.perf_counter()
        done = rotate(quiet)
        seconds = time.perf_counter() - started
        _say(f"  {name}: {done.proved} in {seconds:.1f} s, {done.proved / seconds:.0f} a second")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
