"""YAML mappings as names and texts."""

from __future__ import annotations

import pytest

from resolver.blueprint.flat import read_names
from resolver.errors import BlueprintError, InvalidRequestError


def test_scalars_stay_as_they_are_written() -> None:
    """No number, date or truth is made of them; what is nested is JSON, and null is nothing."""
    text = (
        b"a: 0123\nb: no\nc: 'x # y'\nd: ~\ne: ''\nf: |\n  one\n  two\ng: {h: [1, yes]}\nj: &x 5_0\nk: *x\n"
    )
    assert read_names(text, "the file") == [
        ("a", "0123", 1),
        ("b", "no", 2),
        ("c", "x # y", 3),
        ("d", "", 4),
        ("e", "", 5),
        ("f", "one\ntwo\n", 6),
        ("g", '{"h": [1, true]}', 9),
        ("j", "5_0", 10),
        ("k", "5_0", 11),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"- secret",
        b"secret",
        b"a: secret\na: 2",
        b"a: 'secret",
        b"b: &x {a: secret}\n<<: *x",
        b"? [secret]\n: 1",
        b"a: [.nan, secret]",
        b"a: secret\n---\nb: 1",
        b"",
        b"a: [&a [secret, secret], " + b", ".join([b"*a"] * 10) + b", !x y]",
    ],
)
def test_other_yaml_is_refused(text: bytes) -> None:
    """Without a word of it."""
    with pytest.raises((BlueprintError, InvalidRequestError)) as caught:
        read_names(text, "the file")
    problems = getattr(caught.value, "problems", ())
    assert "secret" not in f"{caught.value} {[vars(type(one)) and one.message for one in problems]}"


def test_aliases_that_multiply_are_refused() -> None:
    """A file of a few lines does not take all memory."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(BlueprintError):
        read_names("\n".join(lines).encode(), "the file")
