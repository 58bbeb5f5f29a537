"""The problems that are reported of a text."""

from __future__ import annotations

import tracemalloc

import pytest

from resolver.blueprint import Limits, read
from resolver.blueprint.events import libyaml_events
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.syntax_problems import Diagnosis
from resolver.blueprint.text import Text
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Reason
from resolver.errors import BlueprintError
from tests.effort import lines_run

FIRST = "remove one of the two; --allow-duplicate-keys lets the last one count, as Cloudify does"
QUOTES = "put it in quotes to have it as text"
KEYS = "a function call, list or mapping can't be a key; {{ name }} without quotes is a mapping used as a key"


def reported(text: str, limits: Limits | None = None) -> list[tuple[str, str]]:
    """Each problem's message and hint."""
    with pytest.raises(BlueprintError) as caught:
        read(text.encode(), "text", limits or Limits())
    return [(problem.message, problem.hint) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is there twice in one mapping, first at text:1:1", FIRST),
        ("{1: a, true: b}", "the key True is there twice in one mapping, first at text:1:2", FIRST),
        ("[a]: 1", "a mapping key must be a plain value", KEYS),
        ("a: 2001-99-99", "'2001-99-99' is not a valid timestamp", QUOTES),
        ("a: !!int " + "9" * 81 + "x", "the text is not a valid int", QUOTES),
        ("a: !!map x", "'x' is not a valid map", QUOTES),
        ("a: !!omap {b: c}", "a mapping can't be !!omap", ""),
        ("a: !!set [b]", "a sequence can't be !!set", ""),
        ("a: !!omap [b]", "expected a mapping of one key", ""),
        ("a: !!omap [{<<: {b: 1}}]", "'<<' means nothing in a list of pairs", ""),
        ("a: =", "'=' means something only as a mapping key", QUOTES),
        ("<<: a", "a merge key takes a mapping or a list of mappings", ""),
        (
            "a: *b",
            "no anchor 'b' is defined before this alias",
            "define it with &b earlier in the same document",
        ),
        ("a: &b [*b]", "the alias 'b' stands inside the node that it names", ""),
        (
            "[&b 1, &b 2]",
            "the anchor 'b' is defined twice in one document",
            "give one of the two another name",
        ),
    ],
)
def test_messages(text: str, message: str, hint: str) -> None:
    """Each kind of problem says what is wrong and what can be done."""
    assert reported(text) == [(message, hint)]


def test_a_hopeless_text_is_not_read_to_its_end() -> None:
    """There is a greatest number of problems, so that a text of another kind does not give thousands."""
    text = "".join(f"- 2001-99-{n % 90 + 10}\n" for n in range(5000))
    assert len(reported(text)) == MAX_PROBLEMS


def test_one_collection_does_not_give_thousands_either() -> None:
    """The greatest number holds within one mapping, whose keys are looked at when it ends."""
    assert len(reported("a: 1\n" * 1000)) == MAX_PROBLEMS


def test_a_merged_list_is_looked_through_once() -> None:
    """Ten times the members and the places that merge them take about ten times the work, not a hundred."""

    def work(count: int) -> int:
        members, places = "{}, " * count, "<<: *l, " * count
        text = f"x: 2001-99-99\nl: &l [{members}]\nm: {{{places}}}\n"
        with lines_run() as run:
            assert len(reported(text)) == 1
        return run.lines

    assert work(1000) < 15 * work(100)


def test_an_unknown_alias_is_one_problem() -> None:
    """Nothing follows from an alias that names nothing: neither as a key nor where it is merged."""
    assert len(reported("*a : 1")) == 1
    assert len(reported("<<: *a")) == 1
    assert len(reported("<<: [*a]")) == 1


def test_problems_of_several_documents() -> None:
    """Each document has its own anchors; problems of all documents are found."""
    assert reported("&a x: 1\n--- {b: *a, b: 1}\n--- 2001-99-99\n") == [
        ("no anchor 'a' is defined before this alias", "define it with &a earlier in the same document"),
        ("the key 'b' is there twice in one mapping, first at text:2:6", FIRST),
        ("'2001-99-99' is not a valid timestamp", QUOTES),
    ]


def test_a_key_that_is_repeated_for_ever_costs_what_is_reported() -> None:
    """The careful pass ends with the last problem that is told, however long the text goes on."""
    efforts = []
    for count in (1_000, 5_000):
        text = Text("b.yaml", "a: 1\n" * count)
        diagnosis = Diagnosis(text, 100)
        with lines_run() as effort:
            diagnosis.read(libyaml_events(text.content, Budget()))
        assert len(diagnosis.problems) == MAX_PROBLEMS
        efforts.append(effort.lines)
    assert efforts[1] < efforts[0] * 1.5


def test_members_are_not_kept() -> None:
    """Of a list of any length, the careful pass keeps no more than may be reported."""
    text = Text("b.yaml", "{a: [" + "x, " * 100_000 + "], a: 1}")
    diagnosis = Diagnosis(text, 100)
    tracemalloc.start()
    try:
        diagnosis.read(libyaml_events(text.content, Budget()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [problem.reason for problem in diagnosis.problems] == [Reason.DUPLICATE_KEY]
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('a: 1\nb: "foo\nc: 1\nd: 2\n', 2, 4, "the quote that opens here is not closed"),
        ("a: it's\nb: [x, 'y]\nc: 1\n", 2, 8, "the quote that opens here is not closed"),
        ('b: "foo\n--- \nc: 1\n', 1, 4, "the quote that opens here is not closed"),
        (
            'a: 1\nb: "foo\nc: "bar"\nd: 2\n',
            2,
            4,
            "the quote that opens here is closed on line 3, where text follows",
        ),
        (
            "b:\n  - 'foo\n  - 'bar'\n  - z\n",
            2,
            5,
            "the quote that opens here is closed on line 3, where text follows",
        ),
        ('b: "x" y\n', 1, 8, "while parsing a block mapping, did not find expected key"),
    ],
)
def test_a_quote_is_shown_where_it_opens(text: str, line: int, column: int, message: str) -> None:
    """Not where the text ends, or where the next quote closes it."""
    with pytest.raises(BlueprintError) as caught:
        read(text.encode(), "a.yaml")
    (problem,) = caught.value.problems
    assert problem.position is not None
    assert (problem.position.line, problem.position.column, problem.message) == (line, column, message)
