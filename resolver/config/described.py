"""Each setting with its value and where it comes from; credentials stay hidden."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.config.files import called

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.config.settings import Settings

_VARIABLES: Mapping[str, str] = {
    "home": "RESOLVER_HOME",
    "url": "RESOLVER_URL",
    "ca_file": "RESOLVER_CA_FILE",
    "tenant": "RESOLVER_TENANT",
    "token": "RESOLVER_TOKEN",
    "identity": "RESOLVER_IDENTITY",
    "id_token": "RESOLVER_ID_TOKEN",
    "audience": "RESOLVER_AUDIENCE",
    "trust": "RESOLVER_TRUST",
    "database_url": "RESOLVER_DATABASE_URL",
    "key": "RESOLVER_KEY",
    "key_file": "RESOLVER_KEY_FILE",
    "key_command": "RESOLVER_KEY_COMMAND",
}
"""Settings by their names, with the variables that go before `config.yaml`."""

_IN_PROFILE = ("url", "ca_file", "tenant", "token")

_HIDDEN = frozenset({"token", "id_token", "key", "key_command", "identity"})
"""Settings that are credentials, or commands and words that may have one in them."""

_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*@")


class Described(NamedTuple):
    """A setting.

    Args:
        name: what `config.yaml` calls it, or would.
        value: its value as JSON data; None for a hidden one, and where nothing sets it.
        source: the variable, file or `default` that it comes from; empty where nothing sets it.
        hidden: whether there is a value that is not shown.
    """

    name: str
    value: Any
    source: str
    hidden: bool = False


def describe(settings: Settings, environ: Mapping[str, str]) -> Sequence[Described]:
    """All settings, in the order of the environment's first.

    Args:
        settings: the settings of this process.
        environ: the environment that they were read from.

    Raises:
        AuthenticationError: the profile can be read by others, or is malformed.
    """
    return [_described(*one) for one in _found(settings, environ)]


def _found(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    from resolver.validation.json_schema import schema_text  # noqa: PLC0415 - for this alone

    config, profile = settings.config, settings.profile()
    for name, variable in _VARIABLES.items():
        if variable in environ:
            yield name, environ[variable], variable
        elif profile is not None and name in _IN_PROFILE and getattr(profile, name):
            yield name, getattr(profile, name), "profile"
        elif name in config:
            yield name, config[name], "config.yaml"
        elif name == "home":
            yield name, str(settings.home), "default"
        else:
            yield name, None, ""
    for name in json.loads(schema_text("config.schema.json"))["properties"]:
        if name not in _VARIABLES:
            yield name, config.get(name), "config.yaml" if name in config else ""


def _described(name: str, value: object, source: str) -> Described:
    """A setting as it may be shown: of what is nested no more is known than that it is there."""
    is_nested = isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict) for one in value)
    )
    if source and (name in _HIDDEN or is_nested or _is_misplaced(name, value)):
        return Described(name, None, source, hidden=True)
    if isinstance(value, list):
        return Described(name, [_without_credentials(one) for one in value], source)
    return Described(name, _without_credentials(value), source)


def _is_misplaced(name: str, value: object) -> bool:
    """Whether a value may be the credential itself, given where its file or address belongs."""
    if name == "database_url":
        return "://" not in str(value)
    return name == "key_file" and called("file", str(value), holds_credential=True)[1] != ""


def _without_credentials(value: object) -> object:
    """A value without the password that an address may have, or what stands behind its question mark."""
    if not isinstance(value, str) or "://" not in value:
        return value
    place, mark, _ = _CREDENTIALS.sub("****@", value).partition("?")
    return f"{place}?****" if mark else place
