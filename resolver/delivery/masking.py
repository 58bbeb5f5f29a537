"""Masking (redacting) secret texts in a stream of bytes.

Every occurrence is found, also those that overlap, and what they cover is replaced, neighbours by one mask.
An Aho-Corasick automaton finds where the first bytes of a text stand; there the whole of it is compared. So a
long text costs no more than a short one, and how a stream is cut into chunks makes no difference. Without the
automaton's library the same is found more slowly.

Encoded texts are often written in lines. So a second search looks at the stream without those line breaks
that stand behind a run of such characters, wherever the lines are cut.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect
from collections.abc import Callable, Collection
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "***"

_RUN = 20
"""Characters of Base64 (RFC 4648, both alphabets) or hexadecimal that stand before a break in such a text."""

_SIGNS = (b"\n", b"\r", b"\\")
_END = re.compile(
    rb"[\r\n\\](?<=[A-Za-z0-9+/_-]{%d}.)" % _RUN, re.DOTALL
)  # the sign first: five times as fast
_BREAK = re.compile(
    rb"(?:\n|\r+\n|\\n|\\r\\n)[ \t]*|\r+\Z|\\(?:r\\?)?\Z"  # also as JSON writes it, and cut off at the end
)

_LITTLE = 2
"""Most bytes of what may begin a value that are shown when somebody may be waiting for them."""


class Needles:
    """The byte strings to mask, ready for any number of streams. Its repr shows none of them.

    Args:
        needles: byte strings of at least `MIN_LENGTH` bytes; each is whole characters of UTF-8.

    Attributes:
        mask: what replaces each. Its character is in none of them, so that no replacement can make one of
            them.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        groups: dict[bytes, list[bytes]] = {}
        for needle in set(needles):
            groups.setdefault(needle[:MIN_LENGTH], []).append(needle)
        for group in groups.values():
            group.sort(key=len, reverse=True)
        self.groups = groups
        """The needles that begin with the same `MIN_LENGTH` bytes, the longest first."""
        self._heads = {head[:size] for head in groups for size in range(1, MIN_LENGTH)}
        self._starts = _automaton(groups.keys()) or _plain_search(groups.keys())
        self.mask = _choose_mask(groups)

    def __repr__(self) -> str:
        return "Needles(****)"

    def __bool__(self) -> bool:
        return bool(self.groups)

    def starts(self, data: bytes) -> list[int]:
        """The positions of the first `MIN_LENGTH` bytes of any needle, in order."""
        return self._starts(data) if self.groups else []

    def may_begin(self, tail: bytes) -> bool:
        """Whether fewer than `MIN_LENGTH` bytes are the beginning of any needle."""
        return tail in self._heads


_Search = Callable[[bytes], list[int]]
"""Finds where any of some byte strings of `MIN_LENGTH` bytes begins."""


def _automaton(heads: Collection[bytes]) -> _Search | None:
    """An Aho-Corasick automaton; None without the library, which not every system has a wheel of."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind  # noqa: PLC0415 - only masked runs need it
    except ModuleNotFoundError:
        return None
    # The first one is ten times as fast, and finds only whether there is anything at all.
    first = BytesAhoCorasick(heads, matchkind=MatchKind.LeftmostFirst)
    every = BytesAhoCorasick(heads, matchkind=MatchKind.Standard)

    def search(data: bytes) -> list[int]:
        if not first.find_matches_as_indexes(data):
            return []
        return [start for _, start, _ in every.find_matches_as_indexes(data, overlapping=True)]

    return search


_FEW = 100
"""Heads that are searched for one by one: those of a few values."""


def _plain_search(heads: Collection[bytes]) -> _Search:
    """The same without the library. Many heads are looked up, which costs the same however many they are."""

    def few(data: bytes) -> list[int]:
        found = []
        for head in heads:
            at = data.find(head)
            while at >= 0:
                found.append(at)
                at = data.find(head, at + 1)
        return sorted(found)

    def many(data: bytes) -> list[int]:
        last = len(data) - MIN_LENGTH + 1
        return [start for start in range(last) if data[start : start + MIN_LENGTH] in heads]

    return few if len(heads) <= _FEW else many


def _choose_mask(groups: dict[bytes, list[bytes]]) -> bytes:
    for code in chain(b"*#", range(0x2580, 0x110000)):
        sign = chr(code).encode("utf-8", "replace")
        if not any(sign in needle for group in groups.values() for needle in group):
            return sign * len(MASK)
    raise AssertionError("the needles hold every character there is")


class Masker:
    """Masks one stream.

    Args:
        needles: what to look for.

    Attributes:
        count: how many masks were put in.
    """

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._held = b""
        self._before = b""  # the last bytes before those held
        self._covered = 0
        self._later_lines: list[tuple[int, int]] = []
        self._behind_mask = False
        self.count = 0

    def feed(self, chunk: bytes, *, last: bool = False) -> bytes:
        """Take the next bytes of the stream.

        Args:
            chunk: the bytes, any number of them.
            last: whether the stream ends with them.

        Returns:
            What can be passed on now: all but those bytes at the end with which a needle may begin.
        """
        data = self._held + chunk
        found, ready = self._find(data)
        if last:
            ready = len(data)
        pieces: list[bytes] = []
        position = self._covered
        for start, end in found:
            if start >= ready:
                break
            if start > position:
                pieces.append(data[position:start])
                self._behind_mask = False
            if not self._behind_mask:
                pieces.append(self._needles.mask)
                self._behind_mask = True
                self.count += 1
            position = max(position, end)
        if position < ready:
            pieces.append(data[position:ready])
            self._behind_mask = False
        self._covered = max(position - ready, 0)
        self._later_lines = [(start - ready, end - ready) for start, end in found if start >= ready]
        self._before = (self._before + data[:ready])[-_RUN:]
        self._held = data[ready:]
        return b"".join(pieces)

    @property
    def is_holding_little(self) -> bool:
        """Whether `release` would return anything."""
        return self._covered < len(self._held) <= _LITTLE and not self._later_lines

    def release(self) -> bytes:
        """Pass on what is held although a needle may begin with it, if it is little. The rest stays masked.

        For a terminal, on which the echo of a key must not wait for the next key.
        """
        if not self.is_holding_little:
            return b""
        shown = self._held[self._covered :]
        self._covered = len(self._held)
        self._behind_mask = False
        return shown

    def _find(self, data: bytes) -> tuple[list[tuple[int, int]], int]:
        """The spans that needles cover, by their starts, and how many bytes do not have to wait for more."""
        found, ready = self._search(data)
        breaks = self._breaks(data)
        if breaks:
            lines = list(pairwise([0, *chain.from_iterable(breaks), len(data)]))[::2]
            more, ready_joined = self._search(b"".join(data[start:end] for start, end in lines))
            starts = list(accumulate((end - start for start, end in lines), initial=0))

            def source(at: int) -> int:
                line = bisect(starts, at, hi=len(lines)) - 1
                return lines[line][0] + at - starts[line]

            for start, end in more:
                first, last = source(start), source(end - 1) + 1
                inner = breaks[bisect(breaks, (first, 0)) : bisect(breaks, (last, 0))]
                found += list(pairwise([first, *chain.from_iterable(inner), last]))[::2]
            if ready_joined < starts[-1]:
                ready = min(ready, source(ready_joined))
        return sorted({*found, *self._later_lines}), ready

    def _breaks(self, data: bytes) -> list[tuple[int, int]]:
        """The breaks in encoded text: where each begins, and where the text goes on."""
        if not any(sign in data for sign in _SIGNS):
            return []
        data, shift = self._before + data, len(self._before)
        lines = (_BREAK.match(data, found.start()) for found in _END.finditer(data, shift))
        return [(found.start() - shift, found.end() - shift) for found in lines if found]

    def _search(self, data: bytes) -> tuple[list[tuple[int, int]], int]:
        found: list[tuple[int, int]] = []
        size = ready = len(data)
        for start in self._needles.starts(data):
            for needle in self._needles.groups[data[start : start + MIN_LENGTH]]:
                end = start + len(needle)
                if end > size:
                    if ready > start and needle.startswith(data[start:]):
                        ready = start
                elif data.startswith(needle, start):
                    found.append((start, end))
                    break
        for start in range(max(0, size - MIN_LENGTH + 1), ready):
            if self._needles.may_begin(data[start:]):
                ready = start
                break
        return found, ready


def needles_for(secrets: Iterable[tuple[str, object, Iterable[str]]]) -> tuple[Needles, list[str]]:
    """The byte strings to mask in what a command prints, given the secrets that it gets.

    Args:
        secrets: for each its name as it may be shown, its value (text or JSON data), and more forms of it.

    Returns:
        The needles, and the names of those secrets of which something is too short to be looked for.
    """
    needles: set[bytes] = set()
    short: set[str] = set()
    for name, value, more in secrets:
        needles.update(form.encode("utf-8", "replace") for form in more)
        for text in texts_of(value):
            for part in {text, *lines_of(text)} - {""}:
                if len(part) >= MIN_LENGTH:
                    needles |= forms_of(part)
                else:
                    short.add(name)
    return Needles(needle for needle in needles if len(needle) >= MIN_LENGTH), sorted(short)


MIN_LENGTH = 6
"""Shortest text, in characters, that is looked for: shorter ones stand by chance in whatever is printed."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_WRAPS = (64, 76)
"""The line lengths of PEM (RFC 7468) and MIME (RFC 2045), like those of `base64`."""

_UNESCAPED = ("", "/", "~!*'()", "~!*'()#$&+,/:;=?@[]")
"""What encoders leave as it is beside letters, digits and `_.-~`: most of them, a path, JavaScript's two."""

_PERCENT = re.compile("%[0-9A-F]{2}")
_HTML_SAFE = {character: f"\\u{ord(character):04x}" for character in "<>&"}


def texts_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON data
    """The texts in JSON data, numbers and truth values as JSON writes them; the names in mappings are not."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, str):
            yield item
        elif item is not None:
            yield json.dumps(item)


def lines_of(text: str) -> list[str]:
    """The lines of a text without the space around them, blank ones left out."""
    return [line for raw in text.split("\n") if (line := raw.strip())]


def forms_of(text: str) -> set[bytes]:
    """All forms of one text, the text itself among them, each at least `MIN_LENGTH` bytes long."""
    data = text.encode("utf-8", "replace")  # a lone surrogate can't be printed in any form
    clean = data.decode()
    forms = {
        data,
        *_base64(data),
        data.hex().encode(),
        data.hex().upper().encode(),
        *(form.encode() for form in (*_percent(clean), *_json(clean))),
    }
    return {form for form in forms if len(form) >= MIN_LENGTH}


def _base64(data: bytes) -> Iterator[bytes]:
    """A text within a longer one, and at the end of one, where the last characters are fixed, too."""
    for shift in range(3):
        start = (shift * 8 + 5) // 6
        inner = base64.b64encode(bytes(shift) + data)[start : (shift + len(data)) * 8 // 6]
        ends = [base64.b64encode(bytes(shift) + data + end)[start:] for end in (b"", b"\n")]
        for form in (inner, *ends, *(end.rstrip(b"=") for end in ends)):
            yield form
            yield form.translate(_URL_SAFE)
    whole = base64.b64encode(data)
    for width in _WRAPS:
        if len(whole) > width:
            yield from (whole[at : at + width] for at in range(0, len(whole), width))


def _percent(text: str) -> Iterator[str]:
    from urllib.parse import quote, quote_plus  # noqa: PLC0415 - 5 ms that only a masked run pays

    for form in (quote_plus(text), *(quote(text, safe=unescaped) for unescaped in _UNESCAPED)):
        yield form
        yield _PERCENT.sub(lambda found: found[0].lower(), form)


def _json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        form = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield form
        yield form.replace("/", "\\/")
        # Go writes these so, and with it many tools that deploy.
        yield "".join(_HTML_SAFE.get(character, character) for character in form)
