"""Addresses of names within a time.

The system looks a name up for as long as it likes, and can't be told to stop. So it does that in a thread of
its own, which is left alone when it takes too long; there are never more than a few of them.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE = 8
"""How many names are looked up at a time."""


class Lookups:
    """Looks up names. One that is being looked up already is waited for.

    Args:
        look_up: gives the addresses of a host for a port, in whatever time.
        at_once: most names that are looked up at a time, those included that nobody waits for any more.
    """

    def __init__(self, look_up: Callable[[str, int], Sequence[str]], at_once: int = AT_ONCE) -> None:
        self._look_up = look_up
        self._at_once = at_once
        self._running: dict[tuple[str, int], Future[Sequence[str]]] = {}
        self._changed = threading.Condition()

    def addresses(self, host: str, port: int, timeout: float) -> Sequence[str]:
        """All addresses of a host.

        Raises:
            TimeoutError: they are not there after so many seconds, or too many other names take so long.
        """
        ends = time.monotonic() + timeout
        name = (host, port)
        with self._changed:
            if not self._changed.wait_for(
                lambda: name in self._running or len(self._running) < self._at_once, timeout
            ):
                raise TimeoutError
            running = self._running.get(name) or self._start(name)
        return running.result(max(ends - time.monotonic(), 0.0))

    def _start(self, name: tuple[str, int]) -> Future[Sequence[str]]:
        started: Future[Sequence[str]] = Future()
        # A daemon: the process does not wait for it at its end.
        threading.Thread(target=self._run, args=(name, started), daemon=True).start()
        self._running[name] = started
        return started

    def _run(self, name: tuple[str, int], started: Future[Sequence[str]]) -> None:
        try:
            found = self._look_up(*name)
        except BaseException as error:  # noqa: BLE001 - for whoever waits
            self._end(name)
            started.set_exception(error)
        else:
            self._end(name)
            started.set_result(found)

    def _end(self, name: tuple[str, int]) -> None:
        # Before anybody has the result: who asks after that gets a newer one.
        with self._changed:
            del self._running[name]
            self._changed.notify_all()
