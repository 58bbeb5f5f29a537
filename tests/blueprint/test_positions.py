"""Where nodes stand, by their paths."""

from __future__ import annotations

import pytest

from resolver.blueprint import read
from resolver.blueprint.positions import EntryLocation, find_positions
from resolver.core.location import Position
from tests.effort import lines_run


@pytest.mark.parametrize(
    ("text", "path", "position"),
    [
        pytest.param("a: 1\nb: 2\n", ("b",), (2, 1), id="a key"),
        pytest.param("a: [1, 2]\n", ("a", 1), (1, 8), id="an item"),
        pytest.param("a: [1, 2]\n", ("a", 2), (1, 1), id="beyond the list"),
        pytest.param("a: [1, 2]\n", ("a", "x"), (1, 1), id="a name in a list"),
        pytest.param("a: 1\n", ("a", "x", 0), (1, 1), id="within a scalar"),
        pytest.param("true: 1\n2: {null: 3}\n", (2, None), (2, 5), id="keys that are no text"),
        pytest.param("x: &x {k: 1}\na: {<<: *x}\n", ("a", "k"), (1, 8), id="merged"),
        pytest.param("x: &x {k: 1}\na: {<<: *x, k: 2}\n", ("a", "k"), (2, 13), id="its own goes first"),
        pytest.param(
            "x: &x {k: 1}\ny: &y {k: 2}\na: {<<: [*x, *y]}\n", ("a", "k"), (1, 8), id="the first of a list"
        ),
        pytest.param(
            "x: &x {k: 1}\ny: &y {k: 2}\na: {<<: *x, <<: *y}\n", ("a", "k"), (2, 8), id="the last merge key"
        ),
        pytest.param("x: &x {k: {l: 1}}\ny: *x\n", ("y", "k", "l"), (1, 12), id="through an alias"),
        pytest.param("a: {concat:[x]}\n", ("a", "concat:[x]"), (1, 1), id="the lenient scanner's"),
    ],
)
def test_positions(text: str, path: tuple[str | int, ...], position: tuple[int, int]) -> None:
    """A path leads where the loaded document says it does; else to the nearest node around."""
    location = EntryLocation(read(text.encode(), "text"), path)
    assert find_positions([location]) == {location: Position(*position)}


def test_many_positions_cost_little_more_than_one() -> None:
    """A large mapping is gone through once, however many of its entries are asked for."""
    blueprint = read("".join(f"k{number}: 1\n" for number in range(2_000)).encode(), "text")

    def work(wanted: int) -> int:
        locations = [EntryLocation(blueprint, (f"k{1_999 - n}",)) for n in range(wanted)]
        with lines_run() as run:
            positions = find_positions(locations)
        assert positions[locations[0]] == Position(2_000, 1)
        return run.lines

    assert work(100) < 2 * work(1)
