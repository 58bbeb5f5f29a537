"""SQLAlchemy's engine on connections that are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Callable


def make_engine(driver: str, connect: Callable[[], Any]) -> Engine:
    """Make an engine that shows no parameter in any message, and begins and ends no transaction.

    Args:
        driver: the name of dialect and driver.
        connect: gives the driver's connection.
    """
    options: dict[str, Any] = {} if driver == "sqlite" else {"use_native_hstore": False}
    engine = create_engine(
        f"{driver}://", creator=connect, poolclass=NullPool, hide_parameters=True, **options
    )
    for name in ("do_commit", "do_rollback"):
        setattr(engine.dialect, name, _nothing)
    return engine


def _nothing(_connection: object) -> None:
    """What is done at the end of a transaction that is another's to end."""
