"""Everything that can be done to single records in the database by hand, tried on each record and each pair.

Each is done in a transaction that is taken back, so one trail serves all.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, update

from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from resolver.store import tables as t
from tests.databases import DIALECTS, RewoundStore, World, database
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 6
RECORD = t.audit_record.c
COLUMNS = ("at", "action", "body", "hash")

Row = dict[str, Any]


class Trail:
    """The trail of `home`, with records of several kinds, in a store that can be taken back."""

    def __init__(self, url: str) -> None:
        self.store = RewoundStore(url)
        self.world = world = World(url, self.store)
        for number in range(3):
            world.secret(f"k{number}")
        world.service.secrets.show(world.admin, "home", "k0")
        world.service.use.use(world.admin, "home", [key_use("k1"), key_use("k2")], DIGESTS)
        newer = SecretChange(value=SecretValue("new"), rotated=True)
        world.service.secrets.update(world.admin, "home", "k1", newer)
        self.head = world.service.trail.head(world.admin, "home")
        assert self.head.number == COUNT
        self.chain = self.head.chain
        self.rows = self.read()

    def read(self) -> list[Row]:
        """The records as they are stored."""
        query = select(t.audit_record).where(RECORD.chain_id == self.chain).order_by(RECORD.number)
        return [dict(row) for row in self.store.connection.execute(query).mappings()]

    def found(self, rows: list[Row]) -> int | None:
        """The first record that does not fit when the trail consists of these."""
        with self.store.rewinding():
            self.store.connection.execute(delete(t.audit_record).where(RECORD.chain_id == self.chain))
            if rows:
                self.store.connection.execute(insert(t.audit_record), rows)
            return self.world.service.trail.verify(self.world.admin, "home").broken


@pytest.fixture(scope="module", params=DIALECTS)
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """A trail on each database."""
    made = Trail(database(request.param, tmp_path_factory.mktemp("tampering")))
    yield made
    made.store.close()


def numbered(rows: list[Row]) -> list[Row]:
    """Records in this order, with the numbers of their places."""
    return [row | {"number": number} for number, row in enumerate(rows, 1)]


def edits(row: Row, others: list[Row], places: int) -> Iterator[Row]:
    """A record with one column changed: a letter in some places, cut, empty, or as another record has it."""
    for column in COLUMNS:
        for other in others:
            if other[column] != row[column]:
                yield row | {column: other[column]}
        value = row[column]
        for at in range(0, len(value), max(1, len(value) // places)):
            letter = b"~" if isinstance(value, bytes) else "~"
            yield row | {column: value[:at] + letter + value[at + 1 :]}
        yield row | {column: value[:-1]}
        yield row | {column: value[:0]}


def test_the_trail_itself_is_whole(trail: Trail) -> None:
    """What is put back as it was verifies: the attempts below fail for what they change."""
    assert trail.found(trail.rows) is None


def test_every_edit_of_a_record_is_found(trail: Trail) -> None:
    """Each column of each record, changed at many places, emptied, or with another record's content."""
    places = 6 if trail.store.connection.dialect.name == "sqlite" else 1  # the other one is slower
    tried = 0
    for at, row in enumerate(trail.rows):
        for edited in edits(row, trail.rows, places):
            broken = trail.found([*trail.rows[:at], edited, *trail.rows[at + 1 :]])
            assert broken in {at + 1, at + 2}, edited
            tried += 1
    assert tried > 150


def test_every_deletion_is_found(trail: Trail) -> None:
    """Any record, with a gap or closed up, any run of records, and all of them."""
    for start, end in itertools.combinations(range(COUNT + 1), 2):
        left = trail.rows[:start] + trail.rows[end:]
        for rows in (left, numbered(left)):
            assert trail.found(rows) == start + 1


def test_every_swap_and_reordering_is_found(trail: Trail) -> None:
    """Any two records in each other's place, whole or in one column, and every move of one to elsewhere."""
    for first, second in itertools.combinations(range(COUNT), 2):
        swapped = list(trail.rows)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        assert trail.found(numbered(swapped)) == first + 1
        for column in COLUMNS:
            rows = [dict(row) for row in trail.rows]
            rows[first][column], rows[second][column] = rows[second][column], rows[first][column]
            if rows != trail.rows:
                assert trail.found(rows) in {first + 1, first + 2}
    for taken, to in itertools.permutations(range(COUNT), 2):
        moved = trail.rows[:taken] + trail.rows[taken + 1 :]
        moved.insert(to, trail.rows[taken])
        assert trail.found(numbered(moved)) == min(taken, to) + 1


def test_every_repetition_and_forgery_is_found(trail: Trail) -> None:
    """A record once more at any place, at the end too, and one of another tenant's trail."""
    for taken, to in itertools.product(range(COUNT), range(COUNT + 1)):
        more = [*trail.rows[:to], trail.rows[taken], *trail.rows[to:]]
        # The same record before or after itself is the same trail.
        assert trail.found(numbered(more)) in {to + 1, to + 2}
    with trail.store.rewinding():
        trail.world.secret("k", tenant="away")
        away = select(t.tenant.c.id).where(t.tenant.c.name == "away").scalar_subquery()
        query = select(t.audit_record).where(RECORD.chain_id == away)
        row = dict(trail.store.connection.execute(query).mappings().one())
    for at in range(COUNT):
        foreign = row | {"chain_id": trail.chain, "number": at + 1}
        assert trail.found([*trail.rows[:at], foreign, *trail.rows[at + 1 :]]) == at + 1


def test_truncation_and_older_copies_are_found_by_a_kept_head(trail: Trail) -> None:
    """Records cut off, and the head set back as it was then: by itself it looks whole, a kept head tells."""
    connection, service = trail.store.connection, trail.world.service
    where = t.audit_chain.c.id == trail.chain
    states: list[tuple[list[Row], Row]] = []
    with trail.store.rewinding():
        for number in range(4):
            head = connection.execute(select(t.audit_chain).where(where)).mappings().one()
            states.append((trail.read(), dict(head)))
            trail.world.secret(f"later{number}")
        kept = service.trail.head(trail.world.admin, "home")
        for rows, then in states:
            with trail.store.rewinding():
                connection.execute(delete(t.audit_record).where(RECORD.chain_id == trail.chain))
                connection.execute(insert(t.audit_record), rows)
                for index in (t.audit_run, t.audit_use):
                    connection.execute(delete(index).where(index.c.number > then["number"]))
                connection.execute(update(t.audit_chain).where(where).values(then))
                fresh = trail.world.reopened()  # who saw nothing before
                alone = fresh.trail.verify(trail.world.admin, "home")
                assert (alone.broken, alone.kept_differs) == (None, "")
                found = service.trail.verify(trail.world.admin, "home", kept)
                assert not found.whole
                assert found.kept_differs.startswith(
                    f"it ends at record {then['number']} and the kept head at"
                )
        assert service.trail.verify(trail.world.admin, "home", kept).whole
