"""Everything that this package raises on purpose.

    ResolverError
    ├── UsageError              a setting, option or argument is wrong
    ├── InvalidRequestError     a key, name or value breaks the rules for one
    │   ├── SchemaMismatchError a value does not keep to its secret's JSON Schema
    │   └── NarrowedVisibilityError a secret would be known to fewer than before
    ├── BlueprintError          a blueprint or an input can't be resolved; carries the problems
    │   └── BudgetError         a run takes more steps, characters or time than it has
    ├── AccessError
    │   ├── AuthenticationError the caller could not be identified
    │   └── NotPermittedError   the caller may not do this here
    │       ├── ElsewhereError  a global secret is changed from its own tenant only
    │       ├── UnconfirmedError    the password has to be given (again) for this
    │       └── ApprovalNeededError a protected secret is given to approved bundles only
    ├── NotFoundError           what was named does not exist, or may not be seen
    │   ├── NoSuchTenantError   the tenant to work in
    │   ├── NotAtProviderError  a secrets provider has no value for a secret
    │   └── NoSuchUserError     the user that a secret is to be given to
    ├── ConflictError           what was asked for collides with what is stored
    │   └── LastCredentialError no sys_admin could log in any more
    ├── SinkRefusedError        the output goes where plaintext may not go
    └── UnavailableError
        ├── StoppedError        the program was told to stop before the work was done
        ├── StoreError          the database can't be reached, read or written
        ├── ProviderError       a secrets provider did not give what was asked of it
        ├── RootKeyError        no root key, or not the one that is needed
        ├── PluginError         a plugin can't be loaded, failed, or refused what it was given
        ├── TamperedRowError    a row of the database is not as this program wrote it
        └── TokenError
            ├── DecryptionError     a stored token does not decrypt
            └── MisplacedTokenError a stored token is bound to another row, key or version

Messages start lower case, hold no secret value, and leave advice to `hint`. Exit codes and HTTP
statuses belong to the edges: nothing here knows either.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from resolver.dsl.problems import Problem


class ResolverError(Exception):
    """Base of all errors that this package raises on purpose.

    Args:
        message: one sentence, lower case, without a period and without any secret value.
        hint: what the reader can do about it; empty when the message says it all.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ResolverError):
    """A setting, option or argument is wrong or contradicts another one."""


class InvalidRequestError(ResolverError):
    """A key, name or value breaks the rules for keys, names or values."""


class SchemaMismatchError(InvalidRequestError):
    """A value does not keep to the JSON Schema of its secret."""


class NarrowedVisibilityError(InvalidRequestError):
    """A secret's visibility would be narrowed."""


class BlueprintError(ResolverError):
    """One or more problems keep a blueprint from being resolved.

    Args:
        problems: all problems that one run found, in the order of the text.
        warnings: what it found beside these that is most likely not meant as it is written.
    """

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} found, nothing was resolved")
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)


class BudgetError(BlueprintError):
    """A run takes more steps, characters or time than it has, or nobody waits for it any more."""


class AccessError(ResolverError):
    """The caller is unknown or may not do what was asked."""


class AuthenticationError(AccessError):
    """The caller could not be identified by the credentials given."""


class NotPermittedError(AccessError):
    """The caller's role, or the scope of its token, does not include what was asked."""


class ElsewhereError(NotPermittedError):
    """A global secret was to be changed from another tenant than the one that it belongs to."""


class UnconfirmedError(NotPermittedError):
    """The caller may do this only shortly after giving the password."""


class ApprovalNeededError(NotPermittedError):
    """A secret is protected: its value is given out for what was approved, and in no other way."""


class NotFoundError(ResolverError):
    """What was named does not exist, or the caller may not see that it does."""


class NoSuchTenantError(NotFoundError):
    """The tenant to work in does not exist; raised only for callers who may know that."""


class NotAtProviderError(NotFoundError):
    """A secrets provider answered, and has no value for a secret that is kept with it."""


class NoSuchUserError(NotFoundError):
    """The new owner of a secret does not exist; raised only for callers who may set an owner."""


class ConflictError(ResolverError):
    """What was asked for collides with what is stored, or with another writer."""


class LastCredentialError(ConflictError):
    """No active sys_admin would have a password or a token that opens the store."""


class SinkRefusedError(ResolverError):
    """Stdout is a regular file or a log, where a plaintext value would stay."""


class UnavailableError(ResolverError):
    """The store, a key or a provider is not available."""


class StoppedError(UnavailableError):
    """The program was told to stop before the work was done; the message says what is stored."""


class StoreError(UnavailableError):
    """The database can't be reached, read or written."""


class ProviderError(UnavailableError):
    """A secrets provider can't be reached, or did not give what was asked of it."""


class RootKeyError(UnavailableError):
    """There is no root key, it is malformed, or it is not the one that is needed."""


class PluginError(UnavailableError):
    """A plugin can't be loaded, failed, or refused what it was given; plugins raise it, too."""


class TamperedRowError(UnavailableError):
    """A row that decides who may do what is not as this program wrote it.

    Args:
        message: one sentence, which names the row.
        hint: what the reader can do about it.
        kind: what the row is, such as `user`.
        id: the row's id.
    """

    def __init__(self, message: str, *, hint: str = "", kind: str = "", id: str = "") -> None:  # noqa: A002 - the column's name
        super().__init__(message, hint=hint)
        self.kind = kind
        self.id = id

    @classmethod
    def of(cls, kind: str, id: str, what: str, *, verified: bool = False) -> Self:  # noqa: A002 - as above
        """The error about one row.

        Args:
            kind: what the row is.
            id: its id; empty when that is not known.
            what: what is the matter with it, as the rest of a sentence.
            verified: whether `resolver audit verify` says more.
        """
        named = f"{kind} {id}".rstrip()
        more = "`resolver audit verify` tells more; " if verified else ""
        return cls(
            f"the database was changed by hand: {named} {what}",
            hint=f"{more}compare the database with a backup",
            kind=kind,
            id=id,
        )


class TokenError(UnavailableError):
    """An encrypted value in the database, called a token as in Fernet, can't be decrypted."""


class DecryptionError(TokenError):
    """A stored token does not decrypt; the message is the same whatever the cause."""


class MisplacedTokenError(TokenError):
    """A stored token decrypts, but is bound to another row, key or version: moved, renamed or replayed.

    Args:
        message: one sentence, which names what does not fit.
        hint: what the reader can do about it.
        moved: the parts of the binding that differ, such as `tenant` or `version`.
    """

    def __init__(self, message: str, *, hint: str = "", moved: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.moved = tuple(moved)


P = ParamSpec("P")
T = TypeVar("T")


def bare_errors(call: Callable[P, T]) -> Callable[P, T]:
    """A function whose `ResolverError`s come without the frames and exceptions behind them.

    Others are mistakes of ours, and keep what is needed to find them.
    """

    @functools.wraps(call)
    def called(*given: P.args, **named: P.kwargs) -> T:
        try:
            return call(*given, **named)
        except ResolverError as error:
            raised = error.with_traceback(None)
        raised.__cause__ = raised.__context__ = None
        del given, named  # a token or an input may be among them
        raise raised

    return called
