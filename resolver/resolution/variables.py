"""Environment variables of a run whose values are secrets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from resolver.core.model import check_key
from resolver.dsl.calls import GET_SECRET
from resolver.dsl.source import DataSource
from resolver.errors import InvalidRequestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from resolver.dsl.plan import Plan

VARIABLES = "--env"
"""The source that problems and records name where a blueprint's name would stand."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OWN = ("RESOLVED_", "RESOLVER_")
_CREDENTIALS = ("PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN")
_LAST_WORDS = frozenset({"AUTH", "ID", "KEY", "LOGIN", "PASS", "PAT", "PWD", "USER", "USERNAME"})
"""What the names of credentials end with, and of no variable in the manuals of the usual shells,
interpreters, compilers, linkers and pagers that runs or loads something.
"""


def parse_variables(words: Iterable[str], allowed: Collection[str] = ()) -> dict[str, str]:
    """Read `NAME=KEY` words; the keys by the names.

    A variable can decide which programs run and how, and whoever may change the secret would choose that. No
    list of such variables is ever whole (every makefile has its own), so it is the other way round: a name
    must say that it holds a credential, or be allowed.

    Args:
        words: the words.
        allowed: other names that the user takes.

    Raises:
        UsageError: a word is malformed, or a name is refused or given twice. The message does not repeat a
            word that is not a name and a key: it may be a value.
    """
    keys: dict[str, str] = {}
    for word in words:
        name, sign, key = word.partition("=")
        if not sign or not _NAME.match(name):
            raise UsageError(
                f"{VARIABLES} takes NAME=KEY, a variable's name and a secret's key",
                hint="a name has letters, digits and '_', and does not begin with a digit",
            )
        if name.startswith(_OWN):
            raise UsageError(
                f"{VARIABLES} may not set {name!r}, which is the resolver's own", hint="choose another name"
            )
        if name not in allowed and not _is_credential(name.upper()):
            raise UsageError(
                f"{VARIABLES} may not set {name!r}: it is not called like a credential, and variables can "
                "decide what programs run or how",
                hint=f"choose a name like {name}_TOKEN; or --allow-env {name}, if whoever may change the "
                "secret may decide that",
            )
        if name in keys:
            raise UsageError(f"{VARIABLES} sets {name!r} twice")
        try:
            keys[name] = check_key(key)
        except InvalidRequestError as error:
            raise UsageError(f"{VARIABLES} {name}: {error.message}", hint=error.hint) from None
    return keys


def _is_credential(name: str) -> bool:
    _, sign, last = name.rpartition("_")
    if len(name) == 1:  # of the user's own script: no manual has one
        return name.isalpha()
    return name.endswith(_CREDENTIALS) or (bool(sign) and last in _LAST_WORDS)


class Variables(DataSource):
    """The variables of one run, as a source like the blueprints: decided and recorded with them.

    Args:
        keys: the secrets' keys, by the variables' names.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._calls = {variable: {GET_SECRET: key} for variable, key in keys.items()}
        documents = [{"variables": self._calls}] if keys else []
        super().__init__(VARIABLES, documents, json.dumps(documents))

    def values(self, plan: Plan) -> dict[str, str]:
        """The values, by the variables' names."""
        results = plan.results(self).by_node if self._calls else {}
        return {variable: results[id(call)].value for variable, call in self._calls.items()}
