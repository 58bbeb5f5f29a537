"""Providers that do not answer, and everyone else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.core.providers import NewProvider, ProviderCheck
from resolver.core.secret_changes import NewSecret
from resolver.errors import ProviderError
from resolver.providers.local import Local
from resolver.service import Service
from resolver.service.provider_values import PATIENCE, Bulkhead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.providers import FetchFailure, ProviderRequest
    from tests.databases import World


class Hanging(Local):
    """A type of provider that answers once it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()
        self.tested = 0

    def fetch(
        self, _parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest], _forwards: int
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """Wait, then answer."""
        self.asked.release()
        assert self.go.wait(200)
        return dict.fromkeys(wanted, SecretValue("value"))

    def test(self, _parameters: Mapping[str, str]) -> bool:
        """Say that it is there."""
        self.tested += 1
        return True


def _take(turns: Bulkhead, name: str, entered: threading.Semaphore, go: threading.Event) -> bool:
    with turns.take(name) as taken:
        entered.release()
        assert go.wait(200)
        return taken


def test_a_provider_that_hangs_is_asked_by_a_few() -> None:
    """Others are turned away at once, from this one; a third provider is asked until all turns are taken."""
    now = [0.0]
    turns = Bulkhead(lambda: now[0], at_once=2, all_at_once=3)
    entered, go = threading.Semaphore(0), threading.Event()
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(_take, turns, "a", entered, go) for _ in range(2)]
        assert all(entered.acquire(timeout=200) for _ in asking)
        now[0] = PATIENCE
        with turns.take("a") as taken:
            assert not taken
        with turns.take("b") as taken:
            assert taken
        asking.append(pool.submit(_take, turns, "b", entered, go))
        assert entered.acquire(timeout=200)
        with turns.take("c") as taken:  # b has only begun, but a hangs
            assert not taken
        go.set()
        assert all(one.result(200) for one in asking)
    with turns.take("a") as taken:
        assert taken


def test_one_who_asks_soon_after_waits_for_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nobody was kept waiting for long, nobody is turned away; a turn comes once there is one."""
    monkeypatch.setattr("resolver.service.provider_values.PATIENCE", 60.0)
    turns = Bulkhead(lambda: 0.0, at_once=1)
    entered, go = threading.Semaphore(0), threading.Event()
    with ThreadPoolExecutor(9) as pool:
        asking = [pool.submit(_take, turns, "a", entered, go) for _ in range(9)]
        assert entered.acquire(timeout=200)
        assert not entered.acquire(timeout=0.05)
        go.set()
        assert all(one.result(200) for one in asking)


def test_nobody_waits_for_a_turn_for_long() -> None:
    """A provider that is slow has turns again and again, and others may have each of them."""
    now, asked = [0.0], threading.Semaphore(0)

    def clock() -> float:
        asked.release()
        return now[0]

    turns = Bulkhead(clock, at_once=1)
    entered, go = threading.Semaphore(0), threading.Event()
    go.set()
    first, second = turns.take("a"), turns.take("a")
    assert first.__enter__()
    while asked.acquire(blocking=False):
        pass
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(_take, turns, "a", entered, go)
        assert asked.acquire(timeout=200)
        with turns._changed:  # noqa: SLF001 - the other one waits by now, and does not get this turn
            now[0] = PATIENCE - 0.1
            first.__exit__(None, None, None)
            assert second.__enter__()
        now[0] = PATIENCE
        with turns.take("b") as taken:  # whoever waits looks again
            assert taken
        told = entered.acquire(timeout=100)
        second.__exit__(None, None, None)
        assert told
        assert not late.result(100)


def test_secrets_of_a_provider_that_hangs_fail_by_name(embedded: World) -> None:
    """Uses and tests alike, without asking it; it is asked again when it answers."""
    kind = Hanging()
    service = Service(
        embedded.store, embedded.ring, lambda: embedded.passwords, embedded.clock, lambda: {"slow": kind}
    )
    now = [0.0]
    service.providers._external.turns = Bulkhead(lambda: now[0], at_once=1)  # noqa: SLF001 - its clock
    admin = embedded.admin
    service.providers.create(admin, "home", "v", NewProvider("slow"))
    service.secrets.create(admin, "home", "there", NewSecret(provider="v"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.secrets.show, admin, "home", "there")
        assert kind.asked.acquire(timeout=200)
        now[0] = PATIENCE
        with pytest.raises(ProviderError, match=r"'v', and it takes long to answer, and others wait for it"):
            service.secrets.show(admin, "home", "there")
        assert not service.providers.test(admin, "home", ProviderCheck(name="v"))
        assert kind.tested == 0
        kind.go.set()
        assert first.result(200)[1] == SecretValue("value")
    assert service.providers.test(admin, "home", ProviderCheck(name="v"))
