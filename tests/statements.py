"""SQL statements are compiled once for a process of tests, not once for each store that it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.store import alchemy

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

_make_engine = alchemy.make_engine
_first: dict[str, Any] = {}


def share_statements() -> None:
    """Let all engines of one kind of database have one cache of compiled statements.

    A program has one engine, and tests have thousands: SQLAlchemy making the same text of the same statement
    took most of their time.
    """
    alchemy.make_engine = _make_sharing_engine


def _make_sharing_engine(driver: str, connect: Callable[[], Any]) -> Engine:
    engine: Any = _make_engine(driver, connect)
    # The dialect is part of the cache's keys. That of the first engine knows its database as well as any.
    first = _first.setdefault(engine.dialect.name, engine)
    engine.dialect = first.dialect
    engine._compiled_cache = first._compiled_cache  # noqa: SLF001 - there is no other way to share it
    return engine  # type: ignore[no-any-return]
