"""The forms in which a secret text may turn up in a command's output.

Base64 (RFC 4648, both alphabets), percent-encoding (RFC 3986, and what browsers and forms make of it) and
JSON strings (RFC 8259), as the usual libraries write them.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_LENGTH = 6
"""Shortest text, in characters, that is looked for: shorter ones stand by chance in whatever is printed."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_WRAPS = (64, 76)
"""Where PEM (RFC 7468) and MIME (RFC 2045), like `base64`, begin a new line."""

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
    """What each line of a text holds, without what indents it; nothing for blank lines."""
    return [line for raw in text.split("\n") if (line := raw.strip())]


def forms_of(text: str) -> set[bytes]:
    """All forms of one text, the text itself among them, each at least `MIN_LENGTH` bytes long."""
    data = text.encode("utf-8", "replace")  # half a character has no form in which it could be printed
    clean = data.decode()
    forms = {data, *_base64(data), *(form.encode() for form in (*_percent(clean), *_json(clean)))}
    return {form for form in forms if len(form) >= MIN_LENGTH}


def _base64(data: bytes) -> Iterator[bytes]:
    """A text within a longer one, and at the end of one, where the last characters are known, too."""
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
