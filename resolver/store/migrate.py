"""Makes and upgrades the schema with Alembic, which is slow to load and imported here alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from resolver.core.results import Migration

if TYPE_CHECKING:
    from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to a revision, by default the newest, within the connection's transaction."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def configuration() -> Config:
    """Alembic's settings: where the migrations are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrations_after(revision: str) -> list[Migration]:
    """The migrations that a schema of some revision lacks, in the order in which they are made."""
    scripts = ScriptDirectory.from_config(configuration()).walk_revisions()
    missing = [script for script in scripts if script.revision > revision]
    return [Migration(script.revision, (script.doc or "").partition("\n")[0]) for script in reversed(missing)]
