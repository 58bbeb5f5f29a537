"""The argument of `get_secret`: a key, or a list of a key and the path into its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.core.model import check_key, is_key
from resolver.core.provenance import WRITTEN, Provenance
from resolver.core.redacted import Redacted
from resolver.dsl.dialects import CLOUDIFY, Dialect, SecretForm
from resolver.dsl.problems import Fault, Reason, kind_of
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.dsl.functions import Known


class GetSecret(Redacted, frozen=True):
    """What one `get_secret` call asks for; what was obtained is another type.

    Args:
        key: the secret's key.
        path: dictionary keys and list indices that lead into a JSON value; empty asks for the stored text.
        key_provenance: what the key was computed from.
        path_provenance: what the path was computed from.
    """

    key: str
    path: tuple[str | int, ...] = ()
    key_provenance: Provenance = WRITTEN
    path_provenance: Provenance = WRITTEN


def literal(node: Mapping[Any, Any], dialect: Dialect = CLOUDIFY) -> GetSecret | None:
    """Read a call whose argument is written out, a key alone or a list of words; None for any other."""
    if dialect is not CLOUDIFY or (len(node) > 1 and dialect.is_malformed(node)):
        return None  # the evaluation knows how other languages write them
    argument = node.get(dialect.get_secret)
    if type(argument) is str:
        return GetSecret(checked_key(argument, WRITTEN))
    if type(argument) is list and len(argument) > 1 and all(map(is_word, argument)):
        key, *path = argument
        if type(key) is str:
            return GetSecret(checked_key(key, WRITTEN), tuple(path))
    return None


def is_word(item: object) -> bool:
    """Whether a node may be a key or a step of a path: text, or a whole number."""
    return type(item) is str or type(item) is int


def from_words(words: Sequence[Known], whole: Provenance, form: SecretForm = SecretForm.STEPS) -> GetSecret:
    """Read a key and its path, all evaluated; `whole` is the provenance of the list they stand in."""
    key, *path = words
    if not isinstance(key.value, str):
        raise Fault(Reason.BAD_ARGUMENT, f"the key given to get_secret is {kind_of(key.value)}, not text")
    key_provenance, path_provenance = key.provenance | whole, whole if path else WRITTEN
    if form is SecretForm.PATH:
        return _from_vault_path(key.value, key_provenance, path, whole)
    for number, step in enumerate(path, 1):
        if not is_word(step.value):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"step {number} of the path given to get_secret is {kind_of(step.value)}, "
                "not text or a whole number",
            )
        path_provenance |= step.provenance
    return GetSecret(
        checked_key(key.value, key_provenance),
        tuple(step.value for step in path),
        key_provenance,
        path_provenance,
    )


_SEPARATOR = "--"
"""Stands in a key where `/` stands in the path of a vault."""

_FIELD = "data="
"""Begins the option that names a part of the secret."""


def _from_vault_path(
    path: str, provenance: Provenance, options: Sequence[Known], whole: Provenance
) -> GetSecret:
    """Read the path of a secret in a vault, and the options behind it."""
    fields: list[str] = []
    field_provenance = whole if options else WRITTEN
    for number, option in enumerate(options, 1):
        if not isinstance(option.value, str) or not option.value.startswith(_FIELD):
            raise Fault(
                Reason.BAD_ARGUMENT,
                f"option {number} given to get_secret is not data=NAME, the only one that is known",
            )
        fields.append(option.value.removeprefix(_FIELD))
        field_provenance |= option.provenance
    if len(fields) > 1:
        raise Fault(Reason.BAD_ARGUMENT, "get_secret takes the option data=NAME once")
    return GetSecret(key_of_path(path, provenance), tuple(fields), provenance, field_provenance)


def key_of_path(path: str, provenance: Provenance) -> str:
    """The key of the secret that a path in a vault names: `/` becomes `--`, and no two paths one key.

    Vaults take a path with and without `/` at its beginning for the same.

    Raises:
        Fault: another path could have the same key, or no secret may have it.
    """
    inner = path.removeprefix("/")
    if (
        inner[:1] == "/"
        or _SEPARATOR in inner
        or "-/" in inner
        or "/-" in inner
        or "//" in inner
        or inner[-1:] == "/"
    ):
        raise Fault(
            Reason.BAD_ARGUMENT,
            f"the path {provenance.show(path)} given to get_secret can't be made a key: `/` becomes `--`, "
            "so there may be no `--`, no `-` beside `/`, and no part without a name",
            key=provenance.bare(path),
        )
    return checked_key(inner.replace("/", _SEPARATOR), provenance)


def checked_key(key: str, provenance: Provenance) -> str:
    """A key, after checking that a secret may have it.

    Raises:
        Fault: it may not.
    """
    if is_key(key):  # the rule, before any words for it are made
        return key
    try:
        return check_key(key, f"key {provenance.show(key)}" if key else "key")
    except InvalidRequestError as error:
        raise Fault(Reason.BAD_ARGUMENT, error.message, error.hint, provenance.bare(key)) from None
