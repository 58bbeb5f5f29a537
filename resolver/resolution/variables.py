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
    from collections.abc import Iterable, Mapping

    from resolver.dsl.plan import Plan

VARIABLES = "--env"
"""The source that problems and records name where a blueprint's name would stand."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REFUSED_BEGINNINGS = (
    *("BASH_FUNC_", "DYLD_", "GIT_CONFIG", "LD_", "MALLOC_", "NPM_CONFIG_", "PERL5", "PYTHON"),
    *("RESOLVED_", "RESOLVER_"),
)
_REFUSED = frozenset(
    {
        *("BASHOPTS", "BASH_ENV", "CDPATH", "CLASSPATH", "EDITOR", "ENV", "GCONV_PATH", "GIT_ASKPASS"),
        *("GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND", "GIT_SSH"),
        *("GIT_SSH_COMMAND", "GLIBC_TUNABLES", "HOME", "HOSTALIASES", "IFS", "JAVA_TOOL_OPTIONS"),
        *("JDK_JAVA_OPTIONS", "LOCALDOMAIN", "LOCPATH", "LUA_INIT", "NLSPATH", "NODE_OPTIONS", "NODE_PATH"),
        *("PAGER", "PATH", "PERLLIB", "PHPRC", "PROMPT_COMMAND", "PS4", "RES_OPTIONS", "RUBYLIB", "RUBYOPT"),
        *("SHELL", "SHELLOPTS", "SSH_ASKPASS", "TERMINFO", "TMPDIR", "VISUAL", "ZDOTDIR", "_JAVA_OPTIONS"),
    }
)
"""Variables that decide which programs and libraries run: who may change a secret must not choose those.

Those of ld.so(8), bash(1), environ(7) and of the usual interpreters; `RESOLVER_` and `RESOLVED_` are our own.
"""


def parse_variables(words: Iterable[str]) -> dict[str, str]:
    """Read `NAME=KEY` words; the keys by the names.

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
        if name in _REFUSED or name.startswith(_REFUSED_BEGINNINGS):
            raise UsageError(
                f"{VARIABLES} may not set {name!r}, which decides what programs run or how",
                hint="choose another name; a script in the place of the command can pass it on",
            )
        if name in keys:
            raise UsageError(f"{VARIABLES} sets {name!r} twice")
        try:
            keys[name] = check_key(key)
        except InvalidRequestError as error:
            raise UsageError(f"{VARIABLES} {name}: {error.message}", hint=error.hint) from None
    return keys


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
