"""What `resolver stale` costs with a long trail: `python -m tests.benchmarks.stale [RECORDS]`.

The index of the records is loaded in bulk: 1,000 blueprints used 200 secrets, half of which have changed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from sqlalchemy import insert

from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from resolver.core.times import later
from resolver.store import tables as t
from tests.databases import DIALECTS, made_world, raw_connection

if TYPE_CHECKING:
    from tests.databases import World

BLUEPRINTS, SECRETS, PART = 1000, 200, 20_000


def load(world: World, first: int, last: int) -> None:
    """Put rows of so many uses into the index, by numbers."""
    random = Random(first)
    admin, home = world.admin, world.service.tenants.get(world.admin, "home").tenant.id
    ids = {secret.key: secret.id for secret in world.service.secrets.list(admin, "home").items}
    keys = sorted(ids)
    with raw_connection(world.url) as connection, connection.begin():
        for start in range(first, last, PART):
            runs, uses = [], []
            for number in range(start, min(start + PART, last)):
                name, key = f"{random.randrange(BLUEPRINTS)}.yaml", random.choice(keys)
                at = later("2030-01-01T00:00:00.000Z", number)
                place = {"chain_id": home, "number": 1_000_000 + number, "nth": 1}
                runs.append(
                    place
                    | {
                        "at": at,
                        "action": "secret:use",
                        "caller": "admin",
                        "folded": "admin",
                        "claimed": False,
                    }
                    | {"caller_id": admin.user_id, "token": "", "tenant": "home", "tenant_id": home}
                    | {"blueprint": name, "digest": "d" * 64}
                )
                uses.append(
                    place
                    | {"place": 0, "key": key, "secret_id": ids[key], "version": 1, "decision": "allowed"}
                )
            connection.execute(insert(t.audit_run), runs)
            connection.execute(insert(t.audit_use), uses)


def ask(world: World) -> tuple[float, int]:
    """The least seconds of three, and how many blueprints were listed."""
    taken, found = [], 0
    for _ in range(3):
        began = time.perf_counter()
        found = len(world.service.usage.stale(world.admin, "home").blueprints)
        taken.append(time.perf_counter() - began)
    return min(taken), found


def main() -> None:
    """Measure on both databases, and print a table."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    sys.stdout.write("database    records  seconds  beside a hundredth  blueprints\n")
    for dialect in DIALECTS:
        world = made_world(dialect, Path(tempfile.mkdtemp()))
        for number in range(SECRETS):
            world.secret(f"k{number:03}")
            if number % 2:
                change = SecretChange(value=SecretValue("other"))
                world.service.secrets.update(world.admin, "home", f"k{number:03}", change)
        load(world, 0, records // 100)
        few, _ = ask(world)
        load(world, records // 100, records)
        many, found = ask(world)
        sys.stdout.write(f"{dialect:<10} {records:>8} {many:>8.2f} {many / few:>19.0f} {found:>11}\n")
        world.service.close()


if __name__ == "__main__":
    main()
