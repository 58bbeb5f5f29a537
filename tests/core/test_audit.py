"""The audit chain: whatever is done to a record of it by hand is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.core.audit import (
    GENESIS,
    AuditHead,
    AuditRecord,
    canonical,
    cap,
    extend,
    find_break,
    record_hash,
)

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 6


def chain(count: int = COUNT, name: str = "chain") -> tuple[AuditHead, list[AuditRecord]]:
    """A chain of records."""
    entries = [
        {"at": f"time {number}", "action": "secret:use", "key": f"k{number}"} for number in range(count)
    ]
    return extend(AuditHead(name), entries)


def test_a_whole_chain_has_no_break() -> None:
    """Chains as they were made verify, an empty one too; so do two extensions after each other."""
    assert find_break(AuditHead("chain"), []) is None
    head, records = chain()
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6]
    assert (head.number, head.hash) == (6, records[-1].hash)
    assert find_break(head, records) is None
    longer, more = extend(head, [{"at": "later", "action": "secret:show"}])
    assert find_break(longer, records + more) is None


def _swap(records: list[AuditRecord], at: int) -> list[AuditRecord]:
    other = (at + 1) % len(records)
    swapped = list(records)
    swapped[at], swapped[other] = (
        replace(records[other], number=at + 1),
        replace(records[at], number=other + 1),
    )
    return swapped


def _rewrite(records: list[AuditRecord], at: int) -> list[AuditRecord]:
    """Change a body and give it the hash that fits."""
    before = records[at - 1].hash if at else GENESIS
    body = records[at].body.replace(b"secret:use", b"secret:usf")
    forged = replace(
        records[at], body=body, action="secret:usf", hash=record_hash("chain", at + 1, before, body)
    )
    return [*records[:at], forged, *records[at + 1 :]]


def _change(**fields: Any) -> Callable[[list[AuditRecord], int], list[AuditRecord]]:  # noqa: ANN401 - a record's
    return lambda records, at: [*records[:at], replace(records[at], **fields), *records[at + 1 :]]


DEEDS: dict[str, Callable[[list[AuditRecord], int], list[AuditRecord]]] = {
    "body changed": _change(body=b'{"action":"secret:use","at":"time 0","key":"other"}'),
    "time column changed": _change(at="another time"),
    "action column changed": _change(action="secret:list"),
    "hash changed": _change(hash="0" * 64),
    "number changed": _change(number=99),
    "deleted": lambda records, at: records[:at] + records[at + 1 :],
    "deleted and closed up": lambda records, at: [
        replace(record, number=number) for number, record in enumerate(records[:at] + records[at + 1 :], 1)
    ],
    "swapped": _swap,
    "repeated": lambda records, at: records[: at + 1] + records[at:],
    "rewritten with its hash": _rewrite,
    "cut here": lambda records, at: records[:at],
}


@pytest.mark.parametrize("at", range(COUNT))
@pytest.mark.parametrize("deed", DEEDS)
def test_every_single_deed_is_found(deed: str, at: int) -> None:
    """A change, deletion, swap, repetition or cut at any one record breaks the chain there or just after."""
    head, records = chain()
    broken = find_break(head, DEEDS[deed](records, at))
    assert broken is not None
    assert broken in {at + 1, at + 2, 1} if deed == "swapped" else broken in {at + 1, at + 2}


def test_a_record_too_many_is_found() -> None:
    """A record that fits the chain but lies beyond the head was not put there by the program."""
    head, records = chain()
    _, more = extend(head, [{"at": "t", "action": "a"}])
    assert find_break(head, records + more) == COUNT + 1


def test_records_of_another_chain_do_not_fit() -> None:
    """The chain's id is in every hash: records can't be moved from one tenant to another."""
    _, records = chain(name="other")
    head, _ = chain()
    assert find_break(replace(head, hash=records[-1].hash), records) == 1


def test_an_older_head_is_another_head() -> None:
    """Cutting records and setting the head back makes a chain that fits, and a head that its MAC does not."""
    head, records = chain()
    older, _ = chain(COUNT - 1)
    assert find_break(older, records[:-1]) is None
    assert older.encode() != head.encode()


@given(
    st.lists(st.tuples(st.text(max_size=6), st.integers(0, 3), st.text(max_size=6)), min_size=2, unique=True)
)
def test_no_two_heads_share_an_encoding(heads: list[tuple[str, int, str]]) -> None:
    """What the MAC covers tells every two heads apart."""
    encoded = set()
    for name, number, end in heads:
        try:
            encoded.add(AuditHead(name, number, end).encode())
        except UnicodeEncodeError:
            return
    assert len(encoded) == len(heads)


@given(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers(), st.lists(st.text(max_size=3)))
    )
)
def test_records_are_canonical(fields: dict[str, Any]) -> None:
    """One set of fields has one form, in ASCII without control characters, that reads back the same."""
    body = canonical(fields)
    assert body == canonical(dict(reversed(fields.items())))
    assert json.loads(body) == fields
    assert all(32 <= byte < 127 for byte in body)


def test_long_texts_are_cut() -> None:
    """What a caller supplies takes at most 300 characters, and shows that it was cut."""
    assert cap("x" * 300) == "x" * 300
    assert cap("x" * 301) == "x" * 299 + "…"
