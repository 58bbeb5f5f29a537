"""An import is whole or not there, whatever ends it, and takes few statements however many entries it has."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import SecretChange
from resolver.core.transfer import ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import ConflictError, NotPermittedError, StoppedError
from resolver.service import importing
from tests.databases import executing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.core.model import Caller
    from resolver.core.transfer import ImportResult
    from tests.databases import World


class KilledError(BaseException):
    """Ends what is under way at once, as a kill does: nothing handles it."""


def entry(key: str, value: str = "new", **more: Any) -> ImportEntry:  # noqa: ANN401 - fields of an entry
    """An entry for tenant `home`."""
    return ImportEntry(key, "home", (VersionWithValue(1, SecretValue(value)),), **more)


def imported(
    world: World,
    entries: Sequence[ImportEntry],
    progress: Callable[[str, int], None] | None = None,
    *,
    caller: Caller | None = None,
    **more: Any,  # noqa: ANN401 - options of an import
) -> ImportResult:
    """Import entries, overriding what is there."""
    wanted = ImportRequest("home", entries, override=True, rotated=more.pop("rotated", False))
    return world.service.transfer.import_(caller or world.admin, wanted, progress, **more)


def stored(world: World) -> dict[str, tuple[int, str | None]]:
    """Version and value of each secret."""
    secrets = world.service.secrets
    found = [secrets.show(world.admin, "home", one.key) for one in secrets.list(world.admin, "home").items]
    return {secret.key: (secret.version, value and value.reveal()) for secret, value in found}


def between(change: Callable[[], object]) -> Callable[[str, int], None]:
    """Progress at which something else happens, once: between preparing entries and storing them."""
    left = [change]

    def step(_doing: str, more: int) -> None:
        if more and left:
            left.pop()()

    return step


@pytest.mark.parametrize("override", [False, True])
def test_more_entries_take_few_statements_more(world: World, *, override: bool) -> None:
    """Of each entry that comes with 200 others its part of some statements, on both databases."""
    counts = []
    world.service.providers.create(world.admin, "home", "l", NewProvider("local"))
    for count in (200, 600):
        entries = [entry(f"k{count}.{number}", provider="l") for number in range(count)]
        if override:
            imported(world, entries)
            entries = [entry(one.key, "another") for one in entries]
        with world.statements() as seen:
            done = imported(world, entries)
        assert (done.stored, done.unchanged, done.errors) == (count, 0, {})
        counts.append(len(seen))
    assert counts[0] < 100
    assert (counts[1] - counts[0]) / 400 < 0.2


@pytest.mark.parametrize("same", [False, True])
def test_a_key_that_stands_often_takes_no_statements_more(embedded: World, *, same: bool) -> None:
    """The last of 20 counts, what comes after is told of; without overriding they collide at once."""
    entries = [entry("k", "new" if same else f"new {number}") for number in range(100)]
    with embedded.statements() as seen:
        done = imported(embedded, entries)
    assert (done.stored, [*done.errors]) == (20, [*range(20, 100)])
    assert done.errors[99] == {"key": "The import has this key more than 20 times"}
    assert stored(embedded) == {"k": (20, "new" if same else "new 19")}
    assert len(seen) < 500
    embedded.service.secrets.delete(embedded.admin, "home", "k")
    done = embedded.service.transfer.import_(embedded.admin, ImportRequest("home", entries))
    assert (done.stored, done.colliding, done.errors) == (1, {"home": ["k"]}, {})


def test_a_kill_at_any_statement_leaves_nothing(embedded: World) -> None:
    """Before each statement, of each transaction: what was there is as it was, and the trail is whole."""
    embedded.secret("old", "first")
    embedded.secret("same", "kept")
    embedded.service.providers.create(embedded.admin, "home", "l", NewProvider("local"))
    entries = [
        entry("old"),
        entry("same", "kept"),
        entry("fresh", provider="l"),
        entry("everyone", visibility=Visibility.GLOBAL),
        ImportEntry("long", "home", [VersionWithValue(one, SecretValue(str(one))) for one in (1, 5)]),
    ]
    before = stored(embedded)
    statements = left = 0

    def kill_at_last(statement: str, parameters: object) -> tuple[str, object]:
        nonlocal left
        left -= 1
        if not left and not statement.startswith("ROLLBACK"):
            raise KilledError
        return statement, parameters

    while True:
        statements += 1
        left = statements
        with executing(embedded.store, kill_at_last), contextlib.suppress(KilledError):
            imported(embedded, entries)
        if left > 0:
            break
        assert stored(embedded) == before, statements
        assert embedded.service.trail.verify(embedded.admin, "home").whole, statements
    assert statements > 50
    assert stored(embedded) == {
        "everyone": (1, "new"),
        "fresh": (1, "new"),
        "long": (5, "5"),
        "old": (2, "new"),
        "same": (1, "kept"),
    }
    assert embedded.service.trail.verify(embedded.admin, "home").whole


def test_a_key_that_is_replaced_meanwhile_seals_what_is_stored(world: World) -> None:
    """What was encrypted with the old data key is encrypted anew, so that this one is destroyed at once."""
    rotate = lambda: world.service.keys.rotate_data(world.admin, "home", lambda _doing, _more: None)  # noqa: E731
    world.secret("old")
    done = imported(world, [entry("old"), entry("fresh")], between(rotate))
    assert (done.stored, done.errors) == (2, {})
    assert stored(world) == {"old": (2, "new"), "fresh": (1, "new")}
    keys = world.execute("SELECT count(DISTINCT data_key_id) FROM secret_version")
    active = world.execute(
        "SELECT count(*) FROM secret_version v JOIN data_key d ON d.id = v.data_key_id WHERE d.active"
    )
    assert (keys, active) == ([(1,)], [(3,)])


def test_what_changed_meanwhile_is_looked_at_again(world: World) -> None:
    """A newer version gets one more, a deleted secret is new again, a key that was taken is overridden."""
    secrets = world.service.secrets
    for key in ("changed", "deleted"):
        world.secret(key)

    def change() -> None:
        secrets.update(world.admin, "home", "changed", SecretChange(value=SecretValue("by another")))
        secrets.delete(world.admin, "home", "deleted")
        world.secret("taken")

    done = imported(world, [entry("changed"), entry("deleted"), entry("taken")], between(change))
    assert (done.stored, done.errors, done.colliding) == (3, {}, {"home": ["changed", "taken"]})
    assert stored(world) == {"changed": (3, "new"), "deleted": (1, "new"), "taken": (2, "new")}


def test_a_right_that_is_lost_meanwhile_stores_nothing(world: World) -> None:
    """Who is no member any more when the entries would be stored is told so of each of them."""
    caller = world.user("u", home=TenantRole.USER)
    end = between(lambda: world.service.tenants.remove_member(world.admin, "home", "u"))
    done = imported(world, [entry("a"), entry("b")], end, caller=caller)
    text = "User `u` is not permitted to perform the action secret_import in the tenant `home`"
    assert (done.stored, done.errors) == (0, {0: {"tenant_name": text}, 1: {"tenant_name": text}})
    assert stored(world) == {}


def test_what_collides_again_and_again_stores_nothing(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried three times; in parts, what was stored before stays, and the others are told of."""
    tries: Counter[str] = Counter()
    plain = importing.Imports._written  # noqa: SLF001 - where it would collide

    def colliding(session: Any, run: Any, planned: Any) -> Any:  # noqa: ANN401 - as it takes them
        if any(one.entry.given.key == "k" for one in planned):
            tries[planned[0].entry.given.key] += 1
            raise ConflictError("someone was quicker")
        return plain(session, run, planned)

    monkeypatch.setattr(importing.Imports, "_written", staticmethod(colliding))
    with pytest.raises(ConflictError, match=r"^someone was quicker$"):
        imported(embedded, [entry("a"), entry("k")], rotated=True)
    assert (tries["a"], stored(embedded)) == (3, {})
    monkeypatch.setattr(importing, "BATCH", 1)
    done = imported(embedded, [entry("a"), entry("k")], in_parts=True)
    assert (done.stored, done.errors) == (1, {1: {"key": "someone was quicker"}})
    assert stored(embedded) == {"a": (1, "new")}
    assert tries["k"] == 3


def test_a_stop_tells_what_is_stored(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of an import as a whole, before its commit too; of one in parts those before it."""
    monkeypatch.setattr(importing, "BATCH", 2)
    entries = [entry(f"k{number}") for number in range(6)]

    def stopping(at: int) -> Callable[[str, int], None]:
        steps = iter(range(at))

        def step(_doing: str, _more: int) -> None:
            if next(steps, None) is None:
                raise StoppedError("told to stop")

        return step

    for at in range(4):  # after each of three batches, and before the commit
        with pytest.raises(StoppedError, match=r"^told to stop: nothing of the import is stored$"):
            imported(embedded, entries, stopping(at))
        assert stored(embedded) == {}
    with pytest.raises(StoppedError) as caught:
        imported(embedded, entries, stopping(2), in_parts=True)  # a commit, and the batch after it
    told = "told to stop: 2 of the first 2 entries are stored, and none of the other 4"
    assert (caught.value.message, len(stored(embedded))) == (told, 2)
    assert imported(embedded, entries, stopping(99)).stored == 6


def test_a_dry_run_stores_nothing_and_says_what_would_be(world: World) -> None:
    """What is new, what is there and whether with this value, what is wrong; the comparison is on record."""
    imported(world, [entry("same"), entry("other", "before")])
    entries = [
        entry("same"),
        entry("other"),
        entry("fresh"),
        entry("fresh"),
        entry("wrong key"),
        entry("g", ""),
    ]
    request = ImportRequest("home", entries, dry_run=True)
    done = world.service.transfer.import_(world.admin, request)
    assert (done.stored, done.compared, [*done.errors]) == (1, {0: True, 1: False}, [4, 5])
    assert done.colliding == {"home": ["fresh", "other", "same"]}
    assert stored(world) == {"same": (1, "new"), "other": (1, "before")}
    last = [json.loads(one.body) for one in world.service.trail.stream(world.admin, "home")]
    compared = [one for one in last if one.get("compared")]
    assert [one["key"] for one in compared[-1]["keys"]] == ["same", "other"]


def test_a_dry_run_tells_no_value_to_who_may_not_see_it(embedded: World) -> None:
    """A guess at another's hidden value is answered alike, right or wrong; who may not import, not at all."""
    imported(embedded, [entry("hidden", "guess", hidden=True)])
    mallory = embedded.user("mallory", TenantRole.USER)
    guesses = [ImportRequest("home", [entry("hidden", guess)], dry_run=True) for guess in ("guess", "wrong")]
    answers = [embedded.service.transfer.import_(mallory, guess) for guess in guesses]
    assert answers[0] == answers[1]
    assert answers[0].compared == {}
    viewer = embedded.user("viewer", TenantRole.VIEWER)
    with pytest.raises(NotPermittedError):
        embedded.service.transfer.import_(viewer, ImportRequest("home", [entry("k")], dry_run=True))


@pytest.mark.parametrize("late", [False, True])
def test_one_wrong_entry_stops_an_atomic_import(embedded: World, *, late: bool) -> None:
    """Whether it is wrong in itself or found out only within the transaction."""
    imported(embedded, [entry("k", "before")])
    wrong = [entry("k", f"v{number}") for number in range(21)] if late else [entry("wrong key")]
    request = ImportRequest("home", [entry("a"), *wrong], override=True, atomic=True)
    done = embedded.service.transfer.import_(embedded.admin, request)
    assert (done.stored, len(done.errors)) == (0, 1)
    assert stored(embedded) == {"k": (1, "before")}
    good = ImportRequest("home", [entry("a"), entry("k")], override=True, atomic=True)
    assert embedded.service.transfer.import_(embedded.admin, good).stored == 2


def test_values_alone_leave_visibility_and_hiding(embedded: World) -> None:
    """What is hidden, private or global stays so, though the entry says nothing of it."""
    for number, visibility in enumerate(Visibility):
        imported(embedded, [entry(f"k{number}", "before", visibility=visibility, hidden=True)])
    entries = [entry(f"k{number}") for number in range(3)]
    request = ImportRequest("home", entries, override=True, values_only=True)
    assert embedded.service.transfer.import_(embedded.admin, request).stored == 3
    found = [embedded.service.secrets.show(embedded.admin, "home", f"k{number}")[0] for number in range(3)]
    assert [(one.visibility, one.hidden, one.version) for one in found] == [
        (visibility, True, 2) for visibility in Visibility
    ]
