"""Finds credentials that are written in a blueprint: by the names of entries, and by what values look like.

The forms of tokens are those that `detect-secrets` knows; it is asked about values, reads no file and sends
nothing anywhere.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from resolver.blueprint.text_scalars import TextScalar, text_scalars
from resolver.core.extras import how_to_install
from resolver.core.redacted import Redacted
from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from detect_secrets.plugins.base import BasePlugin
    from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin

    from resolver.blueprint.document import Blueprint
    from resolver.core.location import Path
    from resolver.dsl.budget import Budget


class Sign(enum.StrEnum):
    """What a credential is told by."""

    NAME = "name"
    FORM = "form"
    RANDOMNESS = "randomness"


class Credential(Redacted, frozen=True):
    """A value that is most likely a credential.

    Args:
        scalar: where it stands.
        sign: what it is told by.
        what: what it is, in words, without any of it.
        kept: why no call can take its place; empty when one can.
    """

    scalar: TextScalar
    sign: Sign
    what: str
    kept: str = ""


def find_credentials(blueprint: Blueprint, budget: Budget) -> Sequence[Credential]:
    """The values of a blueprint that are most likely credentials, in the order of the text.

    Args:
        blueprint: the blueprint that was read.
        budget: what the run may spend.

    Raises:
        UsageError: `detect-secrets` is not installed.
    """
    forms = _forms()
    found = []
    for scalar in text_scalars(blueprint, budget):
        budget.spend(1)
        credential = _judge(scalar, forms, budget)
        if credential is not None:
            found.append(credential)
    return found


def _judge(scalar: TextScalar, forms: _Forms, budget: Budget) -> Credential | None:
    """What a scalar is, if it is a credential."""
    name = name_of(scalar)
    value = scalar.value
    kept = "no call is resolved there" if scalar.path[:1] and scalar.path[0] in LITERAL else ""
    if not isinstance(value, str):
        is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LEAST_NUMBER
        if is_number and _words(name)[-1:] in _PASSWORDS:
            what = f"the value of {name!r}"
            return Credential(scalar, Sign.NAME, what, "it is a number, and a secret is text: quote it first")
        return None
    if len(value) < _SHORTEST or forms.is_placeholder(value):
        return None
    form = forms.form_of(value, budget)
    if form:
        return Credential(scalar, Sign.FORM, form, kept)
    if _is_prose(scalar.path):
        return None
    if _is_credential_name(name) and not _is_reference(value):
        return Credential(scalar, Sign.NAME, f"the value of {name!r}", kept)
    if _PUBLIC.isdisjoint(_words(name)) and forms.is_random(value):
        return Credential(scalar, Sign.RANDOMNESS, "a text that looks random", kept)
    return None


_SHORTEST = 3
_LEAST_NUMBER = 1000

LITERAL = frozenset(
    {"imports", "tosca_definitions_version", "plugins", "repositories", "profile", "namespace"}
)
"""Sections in which nothing is resolved."""

_PROSE = frozenset({"description", "display_label", "error_message", "metadata", "type", "derived_from"})


def _is_prose(path: Path) -> bool:
    return any(step in _PROSE for step in path[-2:])


def name_of(scalar: TextScalar) -> str:
    """The name that says what a value is: its entry's, or that of what it is the default or an item of."""
    steps = [step for step in scalar.path if isinstance(step, str)]
    if not steps:
        return ""
    if steps[-1] in ("default", "value"):
        beside = scalar.beside.get("name") or scalar.beside.get("key")
        if steps[-1] == "value" and beside is not None:
            return beside
        return steps[-2] if len(steps) > 1 else ""
    return steps[-1]


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


_ALONE = frozenset(
    {
        *("password", "passwords", "passwd", "passphrase", "passcode", "pwd", "pass", "secret", "secrets"),
        *("token", "tokens", "apikey", "secretkey", "privatekey", "credential", "credentials"),
    }
)
"""Last words of names whose values are credentials."""

_PASSWORDS = tuple((word,) for word in ("password", "passwd", "passphrase", "passcode", "pwd", "pin"))

_BEFORE_KEY = frozenset(
    {
        "access",
        "account",
        "api",
        "auth",
        "encryption",
        "license",
        "master",
        "private",
        "secret",
        "shared",
        "signing",
    }
)
"""Words before `key` that say that it is a credential."""

_PUBLIC = frozenset(
    {
        *("checksum", "cert", "certificate", "commit", "digest", "etag", "fingerprint", "hash", "id", "ids"),
        *(
            "image",
            "md5",
            "path",
            "public",
            "ref",
            "revision",
            "sha",
            "sha1",
            "sha256",
            "sha512",
            "uuid",
            "url",
        ),
        *("version", "implementation", "ami", "arn", "type"),
    }
)
"""Words of names whose values look random and are for everybody."""


def _is_credential_name(name: str) -> bool:
    words = tuple(word for word in _words(name) if not word.isdecimal())  # `password_2` is one, too
    if not words:
        return False
    if words[-1] in _ALONE:
        return True
    if words[-1] == "id":
        return words[-2:-1] == ("secret",)  # as AppRole has it
    return words[-1] == "key" and words[-2:-1] != () and words[-2] in _BEFORE_KEY


_REFERENCE = re.compile(
    r"(?:~|\.{1,2})?/[\w./ -]+|[\w.-]+\.(?:pem|key|crt|txt|ya?ml|json)|[a-z]+:///?[\w./-]+"
)


def _is_reference(value: str) -> bool:
    """Whether a text names a file, in place of what is in it."""
    return _REFERENCE.fullmatch(value) is not None


_LEAST_RANDOM = 20
_HEX, _BASE64 = re.compile(r"[0-9a-fA-F]+"), re.compile(r"[A-Za-z0-9+/_=-]+")
_TEMPLATE = re.compile(
    r"\s*(?:\{\{.*\}\}|\{%.*%\}|\$\{.*\}|\$\(.*\)|\$[A-Za-z_]\w*|<[^<>]*>|\*+|x+|X+|\.+)\s*", re.DOTALL
)
_LONGEST_LOOK = 64 * 1024
_LONGEST_PART, _OVERLAP, _SQUARE_PER_STEP = 4096, 512, 2000


def _parts(value: str) -> Iterator[str]:
    """The lines of a value's beginning; long ones in parts that overlap."""
    for line in value[:_LONGEST_LOOK].splitlines():
        for start in range(0, max(len(line) - _OVERLAP, 1), _LONGEST_PART - _OVERLAP):
            yield line[start : start + _LONGEST_PART]


class _Forms:
    """What `detect-secrets` knows."""

    def __init__(self) -> None:
        try:
            from detect_secrets.filters.heuristic import (  # noqa: PLC0415 - an extra
                is_potential_uuid,
                is_sequential_string,
            )
            from detect_secrets.plugins.high_entropy_strings import (  # noqa: PLC0415
                Base64HighEntropyString,
                HexHighEntropyString,
            )
        except ImportError:
            raise UsageError(
                "finding credentials needs the package detect-secrets",
                hint=how_to_install("extract"),
            ) from None
        self._tests = is_potential_uuid, is_sequential_string
        self._hex: HighEntropyStringsPlugin = HexHighEntropyString()
        self._base64: HighEntropyStringsPlugin = Base64HighEntropyString()
        self._plugins = list(_plugins())

    @staticmethod
    def is_placeholder(value: str) -> bool:
        """Whether a text stands for what somebody else puts in."""
        return _TEMPLATE.fullmatch(value) is not None

    def form_of(self, value: str, budget: Budget) -> str:
        """What a text is by its form, in words; empty for none that is known."""
        for part in _parts(value):
            # Some detectors go through the rest of the text at each place that may begin a token.
            budget.spend(len(part) ** 2 // _SQUARE_PER_STEP)
            for plugin in self._plugins:
                for found in plugin.analyze_string(part):
                    if not self.is_placeholder(found):
                        return f"by its form: {plugin.secret_type}"
        return ""

    def is_random(self, value: str) -> bool:
        """Whether a text is one word that looks random."""
        if not _LEAST_RANDOM <= len(value) <= _LONGEST_LOOK or any(test(value) for test in self._tests):
            return False
        if _HEX.fullmatch(value):
            return bool(self._hex.calculate_shannon_entropy(value) > self._hex.entropy_limit)
        if not _BASE64.fullmatch(value):
            return False
        return bool(self._base64.calculate_shannon_entropy(value) > self._base64.entropy_limit)


@cache
def _forms() -> _Forms:
    return _Forms()


def _plugins() -> Iterator[BasePlugin]:
    """All detectors of forms; those of names and of randomness look at lines of code, not at values."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class  # noqa: PLC0415

    left_out = {"KeywordDetector", "IPPublicDetector", "Base64HighEntropyString", "HexHighEntropyString"}
    known: Mapping[str, Any] = get_mapping_from_secret_type_to_class()
    for plugin in known.values():
        if plugin.__name__ not in left_out:
            yield plugin()
