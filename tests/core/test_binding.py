"""Places: no two share an encoding, and what is bound to one comes back at that one only."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resolver.core.binding import Place, Purpose, unwrap, wrap
from resolver.errors import MisplacedTokenError

# Digits, colons and commas are what the encoding itself is written with.
WORDS = st.text(alphabet="0123,:ab é", max_size=8)
PLACES = st.builds(Place, st.sampled_from(Purpose), WORDS, WORDS, WORDS, st.integers(0, 1000), WORDS)


@given(one=PLACES, other=PLACES)
def test_no_encoding_begins_another(one: Place, other: Place) -> None:
    """Two different places have different encodings, and neither begins with the other."""
    assume(one != other)
    assert not one.encode().startswith(other.encode())


@given(one=PLACES, other=PLACES, plaintext=st.binary(max_size=40))
def test_a_plaintext_comes_back_at_its_place_only(one: Place, other: Place, plaintext: bytes) -> None:
    """What is put behind a place is taken out there, whatever it looks like, and nowhere else."""
    assert unwrap(one, wrap(one, plaintext)) == plaintext
    if one != other:
        with pytest.raises(MisplacedTokenError):
            unwrap(other, wrap(one, plaintext))


@given(st.text(alphabet="01,:a", max_size=12), st.lists(st.integers(0, 12), min_size=6, max_size=6))
def test_one_text_in_other_fields_is_another_place(text: str, ends: list[int]) -> None:
    """However one text is spread over the fields, each way has an encoding of its own."""
    places = []
    for first, second, third in (sorted(ends[:3]), sorted(ends[3:])):
        pieces = (text[:first], text[first:second], text[second:third])
        places.append(Place(Purpose.VALUE, *pieces, 1, text[third:]))
        places.append(Place(Purpose.VALUE, pieces[0], pieces[1], pieces[2] + "1", 1, text[third:]))
    for one, other in itertools.combinations(places, 2):
        assert (one == other) == (one.encode() == other.encode())


def test_fields_that_swap_a_character_are_told_apart() -> None:
    """Moving a character from the end of one field to the start of the next makes another encoding."""
    one = Place(Purpose.VALUE, "ab", "c", "k", 1, "d")
    assert one.encode() != Place(Purpose.VALUE, "a", "bc", "k", 1, "d").encode()
    assert (
        Place(Purpose.VALUE, "", "", "k", 11, "").encode()
        != Place(Purpose.VALUE, "", "", "k1", 1, "").encode()
    )


def test_a_plaintext_that_imitates_a_place_stays_where_it_is() -> None:
    """A value that holds another place's encoding is only a value."""
    mine, wanted = (Place(Purpose.VALUE, "t", "o", key, 1, "d") for key in ("mine", "wanted"))
    bound = wrap(mine, wanted.encode() + b"value")
    assert unwrap(mine, bound) == wanted.encode() + b"value"
    with pytest.raises(MisplacedTokenError):
        unwrap(wanted, bound)
