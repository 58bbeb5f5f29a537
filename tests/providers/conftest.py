"""Look-ups that do not end until a test lets them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stuck:
    """Look-ups that do not end until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.go = threading.Event()

    def __call__(self, host: str, _port: int) -> list[str]:
        """Wait, but for the name that is at hand."""
        self.asked.append(host)
        self.threads.add(threading.current_thread())
        if host != "quick.example":
            self.go.wait(30)
        return ["127.0.0.1"]

    def end(self) -> None:
        """Let them all go, and see that they are gone."""
        self.go.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Look-ups that are let go at the end."""
    made = Stuck()
    yield made
    made.end()
