"""Masking of a stream: what is found, what is let through, and that chunks make no difference."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
import sys
import urllib.parse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resolver.delivery.masking import (
    MIN_LENGTH,
    Masker,
    Needles,
    _automaton,
    _plain_search,
    forms_of,
    needles_for,
    texts_of,
)

ALPHABET = st.sampled_from("ab*=/+é€\n ")
"""Few characters, so that values overlap each other and themselves, and what surrounds them."""

VALUES = st.lists(st.text(ALPHABET, min_size=MIN_LENGTH, max_size=14), min_size=1, max_size=4)


@st.composite
def outputs(draw: st.DrawFn) -> tuple[list[str], bytes, list[int]]:
    """Values, an output that holds them in several forms, and where it is cut."""
    values = draw(VALUES)
    forms = sorted({form for value in values for form in forms_of(value)})
    parts = st.one_of(
        st.sampled_from(forms),
        st.sampled_from(forms).flatmap(lambda form: st.integers(1, len(form)).map(lambda n: form[:n])),
        st.text(ALPHABET, max_size=8).map(str.encode),
        st.binary(max_size=8),
    )
    data = b"".join(draw(st.lists(parts, max_size=12)))
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8).map(sorted))
    return values, data, cuts


def needles_of(values: list[str]) -> Needles:
    """What is looked for, given values only."""
    return needles_for([(f"key{number}", value, ()) for number, value in enumerate(values)])[0]


def mask(needles: Needles, *chunks: bytes) -> bytes:
    """What is put out, once all chunks are through."""
    masker = Masker(needles)
    return b"".join([*map(masker.feed, chunks), masker.feed(b"", last=True)])


def covered(needles: Needles, data: bytes) -> list[bool]:
    """By the plainest search: which bytes belong to any occurrence of a needle."""
    breaks = re.finditer(rb"(?<=[\w+/-]{20})(?:\r*\n|(?:\\r)?\\n)[ \t]*", data)
    broken = {at for found in breaks for at in range(*found.span())}
    marks = [False] * len(data)
    for places in (range(len(data)), [at for at in range(len(data)) if at not in broken]):
        text = bytes(data[at] for at in places)
        for needle in itertools.chain.from_iterable(needles.groups.values()):
            at = text.find(needle)
            while at >= 0:
                for place in places[at : at + len(needle)]:
                    marks[place] = True
                at = text.find(needle, at + 1)
    return marks


def expected(needles: Needles, data: bytes) -> bytes:
    """What masking means: each run of bytes that belong to occurrences becomes one mask, all else stays."""
    marks = covered(needles, data)
    pieces = []
    for at, marked in enumerate(marks):
        if not marked:
            pieces.append(data[at : at + 1])
        elif at == 0 or not marks[at - 1]:
            pieces.append(needles.mask)
    return b"".join(pieces)


@settings(max_examples=150, deadline=None)
@given(outputs())
@example((["a***b*", "aaaaaa"], b"aaaaaaa***b*", [3]))
def test_chunks_make_no_difference(drawn: tuple[list[str], bytes, list[int]]) -> None:
    """However the output is cut, the result is that of the whole, which is what the plainest search finds."""
    values, data, cuts = drawn
    needles = needles_of(values)
    edges = [0, *cuts, len(data)]
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    whole = mask(needles, data)
    assert mask(needles, *chunks) == whole
    assert mask(needles, *(bytes((byte,)) for byte in data)) == whole
    assert whole == expected(needles, data)


@settings(max_examples=100, deadline=None)
@given(outputs())
@example((["abcdef"], b"ab", []))
@example((["aaaaab", "ab=///"], b"aaaaaab=///aaaaab", []))
def test_a_pause_tells_little(drawn: tuple[list[str], bytes, list[int]]) -> None:
    """When there is a pause after each byte, at most two bytes of what a mask stands for are shown."""
    values, data, _ = drawn
    needles = needles_of(values)
    masker = Masker(needles)
    out = b""
    for byte in data:
        out += masker.feed(bytes((byte,)))
        out += masker.release()
        assert not masker.is_holding_little
    out += masker.feed(b"", last=True)
    plain = covered(needles, data).count(False)
    assert 0 <= len(out) - plain - masker.count * len(needles.mask) <= 2 * masker.count


def test_a_pause() -> None:
    """One or two bytes that may begin a value are shown in a pause; more are not, nor those behind a mask."""
    masker = Masker(Needles([b"abcdef", b"efghij"]))
    assert [masker.feed(b"xab"), masker.release(), masker.release()] == [b"x", b"ab", b""]
    assert [masker.feed(b"c"), masker.release(), masker.feed(b"def")] == [b"", b"", b"***"]
    assert [masker.release(), masker.feed(b"ghijk")] == [b"", b"k"]
    assert [masker.feed(b"a"), masker.release(), masker.feed(b"x")] == [b"", b"a", b"x"]


@settings(max_examples=150, deadline=None)
@given(outputs())
def test_no_value_is_left(drawn: tuple[list[str], bytes, list[int]]) -> None:
    """The result holds no value in any form, also none that a mask and its neighbours would make up."""
    values, data, _ = drawn
    needles = needles_of(values)
    out = mask(needles, data)
    assert not any(needle in out for group in needles.groups.values() for needle in group)
    assert not any(value.encode() in out for value in values)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.binary(max_size=200), st.integers(1, 20))
def test_unrelated_bytes_pass_unchanged(values: list[str], data: bytes, size: int) -> None:
    """Output without a value is put out byte for byte."""
    needles = needles_of(values)
    if not any(covered(needles, data)):
        assert mask(needles, *(data[at : at + size] for at in range(0, len(data), size))) == data


@settings(max_examples=100, deadline=None)
@given(outputs())
def test_only_what_may_begin_a_value_is_held_back(drawn: tuple[list[str], bytes, list[int]]) -> None:
    """What has been put out after each chunk lacks nothing but an end that a needle begins with."""
    values, data, cuts = drawn
    needles = needles_of(values)
    every = [needle for group in needles.groups.values() for needle in group]
    masker = Masker(needles)
    start = 0
    for end in [*cuts, len(data)]:
        masker.feed(data[start:end])
        start = end
        held = masker._held  # noqa: SLF001 - the fact is about what is not shown
        held = {held, re.sub(rb"\r|\n|\\r|\\n|\\", b"", held)}  # behind a long line its end may be a break
        assert b"" in held or any(
            len(needle) > len(text) and needle.startswith(text) for needle in every for text in held
        )


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_LENGTH, max_size=40),
    st.binary(max_size=6),
    st.binary(max_size=6),
)
def test_base64_in_every_alignment(value: str, before: bytes, behind: bytes) -> None:
    """Whatever stands around a value, its base64 is masked but for characters shared with that."""
    needles = needles_of([value])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + value.encode() + behind)
        start = (len(before) * 8 + 5) // 6
        inner = encoded[start : (len(before) + len(value.encode())) * 8 // 6]
        assert mask(needles, encoded).startswith(encoded[:start] + needles.mask)
        assert inner not in mask(needles, encoded)


VALUE = 'p<ä>s&"w/\\ö d\tß~(x)!€?'


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        # What Go's encoding/json makes of it.
        r"p\u003cä\u003es\u0026\"w/\\ö d\tß~(x)!€?",
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        # JavaScript's encodeURIComponent and encodeURI.
        "p%3C%C3%A4%3Es%26%22w%2F%5C%C3%B6%20d%09%C3%9F~(x)!%E2%82%AC%3F",
        "p%3C%C3%A4%3Es&%22w/%5C%C3%B6%20d%09%C3%9F~(x)!%E2%82%AC?",
        "p%3c%c3%a4%3es%26%22w%2f%5c%c3%b6%20d%09%c3%9f~%28x%29%21%e2%82%ac%3f",
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(VALUE.encode() + b"\n").decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
    ],
)
def test_forms(form: str) -> None:
    """Each form that the usual encoders make is masked whole, and nothing around it."""
    assert mask(needles_of([VALUE]), f"<{form}>".encode()) == b"<***>"


def test_lines() -> None:
    """Each line of a value is masked by itself, however it is indented and ended."""
    needles = needles_of(["first-line\n  second-line\r\n\nend\n"])
    out = mask(needles, b"x first-line\r\n        second-line|first-line y\nend\n")
    assert out == b"x ***\r\n        ***|*** y\nend\n"


def test_wrapped_base64() -> None:
    """Base64 in lines, as `base64` and PEM have it, is masked line by line."""
    value = "".join(chr(33 + number % 90) for number in range(0, 1100, 7))
    needles = needles_of([value])
    for width in (64, 76):
        encoded = base64.b64encode(value.encode())
        lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
        assert mask(needles, b"\n".join(lines)) == b"\n".join([needles.mask] * len(lines))


ENCODED = {
    "base64": base64.b64encode,
    "url-safe": base64.urlsafe_b64encode,
    "hex": binascii.hexlify,
    "HEX": lambda data: binascii.hexlify(data).upper(),
}


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r\r\n", b"\n    ", b"\\n", b"\\r\\n"])
@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("encoding", ENCODED)
def test_encoded_text_in_lines(encoding: str, width: int, line_break: bytes) -> None:
    """A value within a longer text that is encoded and written in lines is masked wherever a line ends."""
    value = b"correct>horse?battery-staple"
    needles = needles_of([value.decode()])
    for before in range(0, width + 1, 7):
        text = b"\x01" * before + value + b"\x02" * 99
        encoded = ENCODED[encoding](text)
        inner = mask(needles, encoded).partition(needles.mask)
        lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
        chunks = [line_break.join(lines)[at : at + 7] for at in range(0, len(line_break.join(lines)), 7)]
        out = mask(needles, *chunks)
        shown = out.replace(needles.mask, b"").replace(line_break, b"")
        assert shown == inner[0] + inner[2]  # all around it is unchanged, and nothing of it is left
        assert out.count(line_break) == len(lines) - 1


def test_the_end_of_a_short_line_does_not_wait() -> None:
    """Only a long run of encoded text goes on in the next line: what ends another line is put out at once."""
    needles = needles_of(["correct-horse"])
    begin = base64.b64encode(b"correct-horse")[:1]
    assert Masker(needles).feed(b"done " + begin + b"\n") == b"done " + begin + b"\n"
    assert Masker(needles).feed(b"x" * 20 + begin + b"\n") == b"x" * 20


def test_what_is_short_is_named() -> None:
    """Values and lines under six characters are let through and reported by name, once; nothing else is."""
    needles, short = needles_for(
        [
            ("pin", "12345", ()),
            ("port", 5432, ()),
            ("tree", {"a": ["long enough", {"b": True}], "c": None}, ()),
            ("lines", "abc\nsix-characters\n", ()),
            ("good", "123456", ()),
            ("nothing", "", ()),
        ]
    )
    assert short == ["lines", "pin", "port", "tree"]
    assert mask(needles, b"12345 5432 true abc") == b"12345 5432 true abc"
    assert mask(needles, b"long enough six-characters 123456") == b"*** *** ***"


def test_texts_of_data() -> None:
    """The values of JSON data are looked for, numbers as they are written; the names in it are not."""
    data = {"name": ["text", 1.5, {"inner": 123456789}], "no": None}
    assert sorted(texts_of(data)) == ["1.5", "123456789", "text"]


def test_more_forms() -> None:
    """A form that the caller knows of is looked for, too."""
    needles, _ = needles_for([("key", "a value", ["its own form", "s"])])
    assert mask(needles, b"its own form, s") == b"***, s"


@pytest.mark.parametrize(
    ("values", "sign"),
    [(["no star"], "***"), (["s*tar s"], "###"), (["*star#"], "▀▀▀"), (["*#▀▁▂ ▃▄"], "▅▅▅")],
)
def test_the_mask_is_of_a_sign_that_no_value_holds(values: list[str], sign: str) -> None:
    """So no value can come about by putting the mask in."""
    assert needles_of(values).mask.decode() == sign


def test_masks_are_counted() -> None:
    """One mask for neighbours; the count is of masks."""
    masker = Masker(needles_of(["secret-1", "secret-2"]))
    assert masker.feed(b"secret-1secret-2 secret-1", last=True) == b"*** ***"
    assert masker.count == 2


@given(outputs())
@settings(max_examples=50)
def test_the_same_is_found_without_the_library(drawn: tuple[list[str], bytes, list[int]]) -> None:
    """Few heads and many are searched for in two ways; both find what the automaton finds, in its order."""
    pytest.importorskip("ahocorasick_rs", reason="the extra `masking` is not installed")
    values, data, _ = drawn
    few = needles_of(values).groups.keys()
    for heads in (few, few | {number.to_bytes(MIN_LENGTH) for number in range(200)}):
        automaton = _automaton(heads)
        assert automaton is not None
        assert _plain_search(heads)(data) == automaton(data)


@pytest.mark.parametrize("size", [1, 60])
def test_values_are_masked_without_the_library(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """As on Alpine, where it has no wheel."""
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    needles = needles_of([f"{number} open sesame" for number in range(size)])
    assert mask(needles, b"<0 open ses", b"ame>", base64.b64encode(b"0 open sesame")) == b"<***>***"
    assert needles._starts.__name__ == ("few" if size == 1 else "many")  # noqa: SLF001 - each way was taken


def test_large_values() -> None:
    """A value of 1 MiB is found in chunks of a pipe's size, and again right behind itself."""
    value = "".join(f"{number:07d}" for number in range(150_000))[: 1 << 20]
    needles = needles_of([value])
    data = b"<" + value.encode() * 2 + b">" + value.encode()[:-1]
    chunks = [data[at : at + (1 << 16)] for at in range(0, len(data), 1 << 16)]
    assert mask(needles, *chunks) == b"<***>" + value.encode()[:-1]


def test_nothing_to_look_for() -> None:
    """Without needles everything passes at once."""
    needles = needles_of([])
    assert not needles
    assert Masker(needles).feed(b"anything") == b"anything"


def test_reprs_show_nothing() -> None:
    """Neither needles nor a masker show a value."""
    needles = needles_of(["a secret value"])
    assert "secret value" not in repr(needles) + repr(Masker(needles))
