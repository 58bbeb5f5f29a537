"""Uses at the same time share commits: all that were waiting by then, and none for another's fault.

RESOLVER_TEST_REVOCATIONS sets how often a token is revoked while it is used on two servers.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.core.account_changes import NewToken
from resolver.core.model import Visibility
from resolver.core.permissions import TenantRole
from resolver.core.policy import Verdict
from resolver.core.secret_changes import SecretChange
from resolver.core.times import later
from resolver.errors import (
    AuthenticationError,
    NotFoundError,
    NotPermittedError,
    ResolverError,
    StoreError,
    TamperedRowError,
)
from resolver.service import Service, shared_commits
from resolver.service.audit import Trail
from resolver.service.shared_commits import SharedCommits
from resolver.store.engine import Database
from resolver.store.sql import SqlStore
from tests.databases import statements_of
from tests.people import openid_provider, signed_in
from tests.service.test_use import Decryptions
from tests.service.uses import DIGESTS, key_use
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolver.core.model import Caller
    from resolver.store.engine import Held
    from tests.databases import World

REVOCATIONS = int(os.environ.get("RESOLVER_TEST_REVOCATIONS", "6"))


class Threads:
    """Threads that use a secret each, and what became of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._threads: list[threading.Thread] = []
        self.answers: dict[int, str | Verdict | BaseException] = {}

    def start(self, *callers: Caller, key: str = "k") -> None:
        """Let each of some callers use a key, in a thread of its own, and wait until all are in line.

        Of all whom a test lets begin, the first one leads.
        """
        for caller in callers:
            number = len(self._threads)
            thread = threading.Thread(target=self._use, args=(number, caller, key))
            self._threads.append(thread)
            thread.start()
            if number == 0:
                self._settle()
        self._settle()

    def _settle(self) -> None:
        until(lambda: self.waiting + len(self.answers) == len(self._threads))

    @property
    def waiting(self) -> int:
        """How many lead or are in line."""
        lines = self._world.service.trail._shared._lines  # noqa: SLF001 - there is nothing to see from outside
        return sum(len(line) + 1 for line in list(lines.values()))

    def _use(self, number: int, caller: Caller, key: str) -> None:
        try:
            answer = self._world.service.use.use(caller, "home", [key_use(key)], DIGESTS)
            refusal = answer.refusals.get(key)
            self.answers[number] = refusal.verdict if refusal else answer.secrets[key].value.reveal()
        except BaseException as error:  # noqa: BLE001 - what it was, the tests look at
            self.answers[number] = error

    def join(self) -> list[Any]:
        """Wait for all; their answers in order."""
        for thread in self._threads:
            thread.join(120)
        return [self.answers[number] for number in range(len(self._threads))]


@pytest.fixture
def threads(world: World) -> Threads:
    """Nobody yet; there is a secret `k`."""
    world.secret("k", "the value")
    return Threads(world)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Keeps whoever leads from locking anything until it is called; then there is time for all."""
    monkeypatch.setattr(shared_commits, "MOST_SECONDS", 600)
    is_open = threading.Event()
    lead: Any = SharedCommits._lead  # noqa: SLF001 - between two steps of it

    def waiting(commits: SharedCommits, shared: Any) -> None:  # noqa: ANN401 - passed on
        is_open.wait(120)
        lead(commits, shared)

    monkeypatch.setattr(SharedCommits, "_lead", waiting)
    return is_open.set


@contextlib.contextmanager
def moves(world: World) -> Iterator[list[str]]:
    """The statements that move a head within."""
    with statements_of(world.store) as seen:
        found: list[str] = []
        yield found
        found += [statement for statement in seen if "UPDATE audit_chain" in statement]


def number(world: World, tenant: str = "home") -> int:
    """How many records a whole chain has."""
    found = world.service.trail.verify(world.admin, tenant)
    assert found.whole
    return found.head.number


def test_those_who_wait_share_a_commit(world: World, threads: Threads, gate: Callable[[], None]) -> None:
    """At most 64 in one transaction, in their order; each has a record of its own, in a whole chain."""
    before = number(world)
    with moves(world) as moved:
        threads.start(*[world.admin] * 70)
        gate()
        assert threads.join() == ["the value"] * 70
    assert len(moved) == 2
    assert number(world) == before + 70


def test_none_is_taken_in_once_the_heads_were_locked_for_long(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five milliseconds at most: then those who are in line come with the next one."""
    embedded.secret("k", "the value")
    threads = Threads(embedded)
    monkeypatch.setattr(shared_commits, "MOST_SECONDS", 0)
    is_open = threading.Event()
    locked = Trail.locked

    def waiting(*arguments: Any) -> Any:  # noqa: ANN401 - passed on
        is_open.wait(120)
        return locked(*arguments)

    monkeypatch.setattr(Trail, "locked", waiting)
    with moves(embedded) as moved:
        threads.start(*[embedded.admin] * 3)
        is_open.set()
        assert threads.join() == ["the value"] * 3
    assert len(moved) == 3


def test_a_use_alone_waits_for_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread and no pause is in its way: here whoever waited at all would be refused."""
    world.secret("k", "the value")
    monkeypatch.setattr(shared_commits, "_WAIT_SECONDS", 0)
    count = threading.active_count()
    for _ in range(3):
        assert world.service.use.use(world.admin, "home", [key_use("k")], DIGESTS).secrets
    assert threading.active_count() == count


def _lost(held: Held) -> None:
    held.close()


def _aborted(held: Held) -> None:
    with contextlib.suppress(Exception):
        held.raw.execute("SELECT nothing FROM nowhere")
    if not held.is_postgresql:  # which goes on after a statement that failed
        held.raw.execute("ROLLBACK")


@pytest.mark.parametrize("fault", [_lost, _aborted])
def test_a_fault_in_a_commit_refuses_all(
    world: World,
    threads: Threads,
    gate: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Held], None],
) -> None:
    """A connection that is lost, a transaction that was aborted: 64 are refused, nothing is decrypted."""
    before = number(world)
    commit = Database._commit  # noqa: SLF001 - the one place
    tried: list[bool] = []

    def failing(database: Database, held: Held, *, writes: bool) -> None:
        if writes:
            tried.append(True)
            fault(held)
        commit(database, held, writes=writes)

    threads.start(*[world.admin] * 64)
    monkeypatch.setattr(Database, "_commit", failing)
    decryptions = Decryptions(monkeypatch)
    gate()
    answers = threads.join()
    assert [type(answer) for answer in answers] == [StoreError] * 64
    assert tried == [True]
    assert decryptions.count == 0
    monkeypatch.undo()
    assert number(world) == before


def test_an_unknown_outcome_refuses_all(
    world: World, threads: Threads, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records are there, and the connection broke before that was known: no value leaves."""
    before = number(world)
    commit = Database._commit  # noqa: SLF001 - the one place

    def interrupted(database: Database, held: Held, *, writes: bool) -> None:
        commit(database, held, writes=writes)
        if writes and threading.current_thread().name == leader:
            raise KeyboardInterrupt

    threads.start(*[world.admin] * 5)
    leader = threads._threads[0].name  # noqa: SLF001 - the test's own
    monkeypatch.setattr(Database, "_commit", interrupted)
    decryptions = Decryptions(monkeypatch)
    gate()
    first, *others = threads.join()
    assert isinstance(first, KeyboardInterrupt)
    assert {str(error) for error in others} == {
        "it is not known whether a record was written, so nothing was decrypted"
    }
    assert decryptions.count == 0
    monkeypatch.undo()
    assert number(world) == before + 5


def test_who_leads_and_dies_takes_nobody_along(
    world: World, threads: Threads, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before COMMIT was sent: the others stand in line again, and the next one leads."""
    before = number(world)
    extend = Trail.extend
    died: list[bool] = []

    def dying(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - passed on
        moved = extend(*arguments, **more)
        if not died:
            died.append(True)
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Trail, "extend", staticmethod(dying))
    threads.start(*[world.admin] * 5)
    gate()
    first, *others = threads.join()
    assert isinstance(first, KeyboardInterrupt)
    assert others == ["the value"] * 4
    assert number(world) == before + 4
    assert threads.waiting == 0


def test_one_that_is_refused_fails_no_neighbour(
    world: World, threads: Threads, gate: Callable[[], None]
) -> None:
    """Of those in line one has lost its token meanwhile, one its role, and one asks for what is not there."""
    eve, mallory = world.user("eve", TenantRole.USER), world.user("mallory", TenantRole.USER)
    threads.start(world.admin, eve, mallory, world.admin)
    threads.start(world.admin, key="none")
    threads.start(world.admin)
    before = number(world)
    world.service.tokens.revoke(world.admin, eve.token_id)
    world.service.tenants.remove_member(world.admin, "home", "mallory")
    gate()
    first, revoked, left, *others = threads.join()
    assert (first, others) == ("the value", ["the value", Verdict.ABSENT, "the value"])
    assert isinstance(revoked, AuthenticationError)
    assert isinstance(left, ResolverError)
    assert left.message == "user 'mallory' is not permitted to use secrets in tenant 'home'"
    assert number(world) == before + 4


def test_who_can_t_lock_is_told_with_all_who_wait_for_it(
    world: World, threads: Threads, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away is not asked once more for each of them."""
    tried: list[bool] = []

    def away(*_arguments: object) -> None:
        tried.append(True)
        raise StoreError("the database is away", hint="wait")

    threads.start(*[world.admin] * 5)
    monkeypatch.setattr(Trail, "locked", away)
    gate()
    assert [(str(error), error.hint) for error in threads.join()] == [("the database is away", "wait")] * 5
    assert tried == [True]


def test_waiting_has_an_end(
    world: World, threads: Threads, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited too long for the one that leads is refused, and has no record then."""
    before = number(world)
    threads.start(world.admin)
    monkeypatch.setattr(shared_commits, "_WAIT_SECONDS", 0.01)
    threads.start(world.admin)
    until(lambda: threads.answers)
    gate()
    first, second = threads.join()
    assert first == "the value"
    assert str(second) == "the database is busy: others have waited for it too long"
    assert number(world) == before + 1


def test_records_of_two_chains_are_one_commit(
    world: World, threads: Threads, gate: Callable[[], None]
) -> None:
    """A global secret of another tenant is on record there; both heads move, or none."""
    world.secret("g", "everyone's", "away", Visibility.GLOBAL)
    before = number(world), number(world, "away")
    with moves(world) as moved:
        threads.start(*[world.admin] * 3, key="g")
        threads.start(*[world.admin] * 2)
        gate()
        assert threads.join() == ["everyone's"] * 3 + ["the value"] * 2
    assert len(moved) == 2
    both = [key_use("k"), key_use("g")]
    assert len(world.service.use.use(world.admin, "home", both, DIGESTS).secrets) == 2
    assert (number(world), number(world, "away")) == (before[0] + 3, before[1] + 4)


def test_a_secret_that_changes_meanwhile_is_decided_about_again(
    world: World, threads: Threads, gate: Callable[[], None]
) -> None:
    """Deleted while one waits: not found, whoever leads."""
    threads.start(*[world.admin] * 3)
    world.service.secrets.delete(world.admin, "home", "k")
    before = number(world)
    gate()
    assert threads.join() == [Verdict.ABSENT] * 3
    assert number(world) == before + 3


def test_a_time_that_is_over_meanwhile_is_decided_about_again(
    world: World, threads: Threads, gate: Callable[[], None]
) -> None:
    """Roles of groups and secrets end without a record, while one waits."""
    world.rules = replace(world.rules, refuse_expired=True)
    with openid_provider(world) as provider:
        una = signed_in(world, provider)
        soon = later(world.clock(), 3600)
        world.service.secrets.update(world.admin, "home", "k", SecretChange(expires_at=soon))
        world.secret("lasting")
        threads.start(world.admin, world.admin)
        threads.start(una, una, key="lasting")
        world.clock.now = later(world.clock(), 13 * 3600)
        gate()
        expired, also, *ended = threads.join()
    assert (expired, also) == (Verdict.EXPIRED, Verdict.EXPIRED)
    assert [type(error) for error in ended] == [NotPermittedError, NotPermittedError]


def test_nothing_is_read_of_records_that_this_process_made(world: World) -> None:
    """Nobody but uses of here has put anything to the chain: what they tell of is known."""
    world.secret("k")
    with world.store.read() as session:
        home = session.tenant("home")
        assert home is not None
    for _ in range(3):
        world.service.use.use(world.admin, "home", [key_use("k")], DIGESTS)
    head, after = world.service.trail._shared._quiet[home.id]  # noqa: SLF001 - nothing else shows it
    assert (head.number, after) == (number(world), head.number - 3)


class Watched:
    """When heads were about to be locked for each use, by the clock; of the use that a thread makes last."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._mine = threading.local()
        enter: Any = SharedCommits._enter  # noqa: SLF001 - between two steps
        put: Any = SharedCommits._put  # noqa: SLF001 - as above
        locked = Trail.locked
        begins: Any = threading.local()

        def entering(commits: SharedCommits, chains: Any, part: Any) -> None:  # noqa: ANN401 - passed on
            self._mine.part = part
            enter(commits, chains, part)

        def locking(*arguments: Any) -> Any:  # noqa: ANN401 - passed on
            begins.at = time.monotonic()
            return locked(*arguments)

        def putting(commits: SharedCommits, session: Any, shared: Any) -> None:  # noqa: ANN401 - passed on
            put(commits, session, shared)
            for part in shared.parts:
                part.locked_at = begins.at

        patch.setattr(SharedCommits, "_enter", entering)
        patch.setattr(SharedCommits, "_put", putting)
        patch.setattr(Trail, "locked", locking)

    @property
    def locked_at(self) -> float:
        """When the heads of this thread's last use were about to be locked, not later."""
        return float(self._mine.part.locked_at)


def test_a_revoked_token_uses_nothing_that_is_locked_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acknowledged at some time on one of two servers: no use whose heads were locked later has a value."""
    world.secret("k", "the value")
    world.user("eve", TenantRole.USER)
    watched, chance = Watched(monkeypatch), random.Random(REVOCATIONS)
    stores = [SqlStore(world.url) for _ in range(2)]
    servers = [
        Service(store, world.ring, lambda: world.passwords, world.clock, provider_types=dict)
        for store in stores
    ]
    delivered: list[float] = []

    def use(server: Service, caller: Caller, ends: Callable[[], bool]) -> None:
        with contextlib.suppress(AuthenticationError):
            while not ends():
                answer = server.use.use(caller, "home", [key_use("k")], DIGESTS)
                assert answer.secrets["k"].value.reveal() == "the value"
                if caller.username == "eve":
                    delivered.append(watched.locked_at)
            return
        refused.append(caller.username)

    for _ in range(REVOCATIONS):
        made = world.service.tokens.create(world.admin, NewToken(username="eve"))
        caller = world.service.gate.authenticate_token(made.token)
        over = threading.Event()
        refused: list[str] = []
        delivered.clear()
        threads = [
            threading.Thread(target=use, args=(server, one, is_over))
            for server in servers
            for one, is_over in ((caller, lambda: False), (caller, lambda: False), (world.admin, over.is_set))
        ]
        for thread in threads:
            thread.start()
        until(lambda: delivered)
        time.sleep(chance.uniform(0, 0.02))
        world.service.tokens.revoke(world.admin, caller.token_id)
        acknowledged = time.monotonic()
        over.set()
        for thread in threads:
            thread.join(120)
        assert refused == ["eve"] * 4
        assert max(delivered) <= acknowledged
    for store in stores:
        store.close()
    number(world)


def test_a_use_that_is_refused_shares_its_commit(
    world: World, threads: Threads, gate: Callable[[], None]
) -> None:
    """A viewer may use nothing: that is on record, by the same commit for all who try."""
    viewer = world.user("viewer", TenantRole.VIEWER)
    with moves(world) as moved:
        threads.start(*[viewer] * 4)
        threads.start(world.admin, key="none")
        gate()
        answers = threads.join()
    assert [type(answer) for answer in answers[:4]] == [type(answers[0])] * 4
    assert not isinstance(answers[0], NotFoundError)
    assert answers[4] == Verdict.ABSENT
    assert len(moved) == 1


def test_a_process_that_was_forked_waits_for_no_thread_that_is_not_there(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line in which somebody leads stays behind in the process that it is of."""
    monkeypatch.setattr(shared_commits, "_WAIT_SECONDS", 0)
    trail = embedded.service.trail
    entry = trail.entry(embedded.admin, None, "test")
    commits = trail._shared  # noqa: SLF001 - there is nothing to see from outside
    commits._lines["system",] = deque()  # noqa: SLF001 - as of a thread that leads
    with pytest.raises(StoreError, match="the database is busy"):
        trail.commit("system", [entry])
    monkeypatch.setattr(commits, "_process", -1)
    trail.commit("system", [entry])
    assert commits._lines == {}  # noqa: SLF001 - as above


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_commit_that_comes_with_a_warning_does_not_count(
    world: World, threads: Threads, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a record that no standby has: nothing is decrypted, for nobody knows whether it stays."""
    for statement in (
        (
            "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE WARNING 'no standby has it'; RETURN NULL; END $$"
        ),
        (
            "CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON audit_record DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION warn()"
        ),
    ):
        world.execute(statement)
    decryptions = Decryptions(monkeypatch)
    threads.start(*[world.admin] * 3)
    gate()
    answers = threads.join()
    assert [type(answer) for answer in answers] == [StoreError] * 3
    assert "warned when it committed, so that does not count" in str(answers[2])
    assert decryptions.count == 0


def test_who_leads_may_be_refused_for_a_row(
    world: World, threads: Threads, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What leads to a record of its own in the chain that is led does not wait for itself."""
    locked = Trail.locked
    tried: list[bool] = []

    def tampered(trail: Trail, session: Any, chain: str) -> Any:  # noqa: ANN401 - passed on
        if not tried:
            tried.append(True)
            raise TamperedRowError.of("user", "made up", "is refused", verified=True)
        return locked(trail, session, chain)

    entry = world.service.trail.entry(world.admin, None, "test")
    before = number(world, "")
    monkeypatch.setattr(Trail, "locked", tampered)
    gate()
    with pytest.raises(TamperedRowError):
        world.service.trail.commit("system", [entry])
    assert number(world, "") == before + 1
    assert threads.waiting == 0
