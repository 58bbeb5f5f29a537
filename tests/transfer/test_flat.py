"""Names and values of JSON objects, and the keys that names become."""

from __future__ import annotations

import pytest

from resolver.errors import InvalidRequestError
from resolver.transfer.flat import FlatEntry, read_json, with_keys


def test_json_values_stay_as_they_are_written() -> None:
    """Texts are the texts; numbers, lists and objects are the JSON that stands there; null is none."""
    found = read_json(b'{"a": "x\\ny", "b": 1.10, "c": true, "d": null, "e": {"f": [1e2]}}')
    values = {one.name: one.value for one in found}
    assert values == {"a": "x\ny", "b": "1.10", "c": "true", "d": "", "e": '{"f": [1e2]}'}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[1]", "the file holds JSON that is no object"),
        (b"secret", "the file is not JSON"),
        (b'{"a": "secret", "a": 1}', "an object has the same key twice"),
        (b"[" * 100_000, "the file is not JSON"),
        (b'{"a": "\\ud800"}', "a text is not valid UTF-8"),
    ],
)
def test_other_json_is_refused(text: bytes, message: str) -> None:
    """Without a word of it."""
    with pytest.raises(InvalidRequestError) as caught:
        read_json(text)
    assert caught.value.message == message
    assert "secret" not in f"{caught.value.hint} {caught.value.__context__}"


def keys(*names: str, **more: object) -> list[tuple[str, str]]:
    """The keys of names that all have a value, and what is wrong with each."""
    entries = [FlatEntry(name, "v", line) for line, name in enumerate(names, 1)]
    return [(one.key, one.problem) for one in with_keys(entries, **more)]  # type: ignore[arg-type] - as given


def test_names_become_keys() -> None:
    """What keys can't have becomes `_`; a prefix and the map come first."""
    assert keys("DB", "a b/c", "_T", "1x") == [("DB", ""), ("a_b_c", ""), ("T", ""), ("x", "")]
    assert keys("_T", prefix="p") == [("p_T", "")]
    assert keys("a b", "c", names={"a b": "x"}, prefix="p.") == [("p.x", ""), ("p.c", "")]


def test_names_without_a_key_and_keys_that_meet_are_wrong() -> None:
    """Each is told at its own place; an entry without a value takes no key."""
    assert keys("a b", "a/b")[1] == ("a_b", "its key is that of line 1 already")
    assert keys("1")[0][1] == "its name makes no key"
    assert keys("k" * 257)[0][1] == "its name makes a key that is too long"
    assert keys("a", names={"a": "b c"})[0][1] == "its name makes no key"
    empty = with_keys([FlatEntry("a", ""), FlatEntry("a", "v"), FlatEntry("b", "x\0")])
    assert [one.problem for one in empty] == ["", "", "its value has a null character"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"prefix": "1"}, "no key can begin with this prefix"),
        ({"names": {"z": "y"}}, "--map names 'z', which is not in the file"),
    ],
)
def test_a_prefix_or_map_that_fits_nothing_is_refused(more: dict[str, object], message: str) -> None:
    """A mistyped option does not pass unseen."""
    with pytest.raises(InvalidRequestError, match=message):
        keys("a", **more)


def test_no_repr_shows_a_value() -> None:
    """Nor that of what holds it."""
    entries = [FlatEntry("a", "shown?")]
    assert "shown?" not in repr((entries, with_keys(entries)))
