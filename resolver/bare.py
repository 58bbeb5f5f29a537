"""Errors on their way out of the Python interface.

A crash reporter sends the variables in all frames of a traceback, and of the exceptions that led to it.
Within this package some of them are secret values, so what is raised there leaves its frames behind.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from resolver.errors import ResolverError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def bare_errors(call: Callable[P, T]) -> Callable[P, T]:
    """A function whose `ResolverError`s come without the frames and exceptions behind them.

    Others are mistakes of ours, and keep what is needed to find them.
    """

    @functools.wraps(call)
    def called(*given: P.args, **named: P.kwargs) -> T:
        try:
            return call(*given, **named)
        except ResolverError as error:
            raised = error.with_traceback(None)
        raised.__cause__ = raised.__context__ = None
        del given, named  # a token or an input may be among them
        raise raised

    return called
