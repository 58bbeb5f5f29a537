"""Cloudify's own functions and local workflows with secrets of this store.

Objects that `cloudify-common` takes as secret method, as storage for evaluation, and as storage of local
workflows. Plans keep their `get_secret` calls; a value appears only where Cloudify evaluates one, in the
arguments of an operation, the properties that an operation reads, and outputs that are asked for.

Needs `cloudify-common`, tried with 7.0.5: `pip install 'blueprint-resolver[cloudify]'`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dsl_parser import exceptions, tasks
from dsl_parser.utils import get_function

from resolver.bare import bare_errors
from resolver.core.closing import Closing
from resolver.core.leaks import tells
from resolver.dsl.calls import GET_SECRET, call_name
from resolver.errors import InvalidRequestError, NotFoundError
from resolver.orchestrators.cloudify_local import FileStorage, InMemoryStorage

if TYPE_CHECKING:
    from resolver.api import Resolver
    from resolver.core.model import Caller

__all__ = [
    "CloudifySecret",
    "CloudifySecrets",
    "EvaluationStorage",
    "FileStorage",
    "InMemoryStorage",
    "SecretNotFoundError",
]

NOT_FOUND = 404


class SecretNotFoundError(NotFoundError):
    """A secret that does not exist, or that the caller may not see, in the way that Cloudify recognises."""

    status_code = NOT_FOUND


class CloudifySecret:
    """One secret as Cloudify's evaluation takes it: an object with the text in `value`.

    Args:
        secrets: where it belongs.
        key: its key.
    """

    __slots__ = ("_secrets", "key")

    def __init__(self, secrets: CloudifySecrets, key: str) -> None:
        self._secrets = secrets
        self.key = key

    def __repr__(self) -> str:
        return "CloudifySecret('****')"

    @property
    def value(self) -> str:
        """The plaintext, obtained together with all others of the run when the first one is read."""
        return self._secrets.reveal(self.key)


class CloudifySecrets(Closing):
    """The secrets of one Cloudify deployment, in memory until they are closed.

    Args:
        resolver: the opened store.
        tenant: the name of the tenant to ask in.
        caller: who asks; its rights decide about every key.
        name: what the audit trail calls the deployment.
    """

    def __init__(self, resolver: Resolver, *, tenant: str, caller: Caller, name: str = "cloudify") -> None:
        self._run = resolver.run_secrets(name, tenant=tenant, caller=caller)

    def close(self) -> None:
        """Drop the values."""
        self._run.close()

    def expect(self, plan: object) -> None:
        """Note the keys in a plan or a payload, so that one request obtains them all."""
        self._run.expect(plan)

    @bare_errors
    def get_secret(self, key: str) -> CloudifySecret:
        """The secret method of Cloudify's parser and storages. Nothing is decrypted before `value` is read.

        Raises:
            SecretNotFoundError: it does not exist, or the caller may not see it.
            NotPermittedError: the caller may not use it.
        """
        try:
            self._run.demand(key)
        except NotFoundError as error:
            raise SecretNotFoundError(error.message, hint=error.hint) from None
        return CloudifySecret(self, key)

    secret_method = get_secret

    @bare_errors
    def reveal(self, key: str) -> str:
        """The plaintext of a secret.

        Raises:
            SecretNotFoundError: it does not exist, or the caller may not see it.
            NotPermittedError: the caller may not use it.
            InvalidRequestError: it is JSON that holds a function call, which Cloudify would evaluate: whoever
                may write one secret would choose what is read with the rights of another.
        """
        try:
            text = self._run.value(key).reveal()
        except NotFoundError as error:
            raise SecretNotFoundError(error.message, hint=error.hint) from None
        if _holds_call(text):
            shown = self._run.shown(key)
            raise InvalidRequestError(
                f"secret {shown} holds JSON with a function call, which Cloudify would evaluate",
                hint="what a secret holds is data: rename the key in it",
            )
        return text

    def told_by(self, text: str) -> bool:
        """Whether a text holds a value that this run obtained."""
        return tells(text, self._run.values)

    def prepare_deployment_plan(self, plan: object, **options: Any) -> Any:  # noqa: ANN401 - Cloudify's
        """Cloudify's function of this name, with one look at the store for all keys; it decrypts nothing.

        Args:
            plan: what Cloudify's parser made of a blueprint.
            options: the function's other arguments.

        Raises:
            UnknownSecretError: Cloudify's error, with the keys that are not found.
            NotPermittedError: the caller may not use one of them.
        """
        asked: list[str] = []
        prepared = tasks.prepare_deployment_plan(plan, get_secret_method=asked.append, **options)
        self.expect(prepared)
        missing: list[str] = []
        for key in asked:
            try:
                self.get_secret(key)
            except SecretNotFoundError:
                missing.append(key)
        if missing:
            raise exceptions.UnknownSecretError(f"secrets not found: {', '.join(sorted(missing))}")
        return prepared


def _holds_call(text: str) -> bool:
    """Whether a text is JSON that Cloudify, once a path leads into it, would evaluate again."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        pending = [json.loads(text)]
    except (ValueError, RecursionError):
        return False
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if get_function(item) or call_name(item) is not None or GET_SECRET in item:
                return True
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return False


class EvaluationStorage:
    """What `evaluate_functions` and its like take as storage: our secrets, and all else of another storage.

    Args:
        secrets: answers `get_secret`.
        other: answers all else; None when nothing else is asked.
    """

    def __init__(self, secrets: CloudifySecrets, other: object = None) -> None:
        self.get_secret = secrets.get_secret
        self.secret_method = secrets.get_secret
        self._other = other

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other one has
        return getattr(self._other, name)
