"""The Python interface: open a resolver, identify a caller, resolve a blueprint; with and without asyncio."""

from __future__ import annotations

import contextlib
import os
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

from resolver.blueprint.context_file import make_context
from resolver.bootstrap.connect import identify, open_any
from resolver.config.settings import Settings
from resolver.core.closing import Closing
from resolver.core.formats import DialectName
from resolver.dsl.budget import Budget
from resolver.dsl.context import DeploymentContext
from resolver.dsl.values import GivenInput
from resolver.errors import UsageError, bare_errors
from resolver.plugins.manager import add_provider_types
from resolver.resolution import BlueprintText, Options, resolve
from resolver.resolution.run_secrets import RunSecrets

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

    from resolver.core.model import Caller, SecretValue
    from resolver.core.ports.service import AnyService
    from resolver.resolution.resolved import ResolvedBlueprint


class Resolver(Closing):
    """An open store, to resolve blueprints with.

    Several threads may use one at the same time, each with callers of its own: a caller is an argument, never
    a state. Opening one changes nothing in the process, and a process may open several.

    Args:
        service: the service behind it, in this process or on a server.
        token: the access token of those who name none.
        identify: identifies the workload that this process is, for those who name nobody.
    """

    def __init__(
        self, service: AnyService, token: str = "", identify: Callable[[], Caller] | None = None
    ) -> None:
        self._opened: AnyService | None = service
        self._token = token
        self._identify = identify

    def __repr__(self) -> str:
        return "Resolver(closed)" if self._opened is None else "Resolver(open)"

    def close(self) -> None:
        """Give back the database's connections, and drop the keys. Closing twice does nothing.

        What was resolved stays valid until it is closed itself. Calls that other threads have begun end well
        or with an error of this package.
        """
        service, self._opened = self._opened, None
        if service is not None:
            service.close()

    @property
    def _service(self) -> AnyService:
        service = self._opened
        if service is None:
            raise _closed()
        return service

    @bare_errors
    def authenticate(self, *, token: str = "", username: str = "", password: str = "") -> Caller:
        """Identify a caller, by an access token or by user name and password.

        Without either, by the token or the identity that `open_resolver` was given. An identity is shown to
        the server anew with each call, and what comes of it lives as long as the trust says.

        Returns:
            The caller, to be handed to `resolve`. Its rights are read again at every call.

        Raises:
            UsageError: neither or both were given.
            AuthenticationError: the credentials are not valid.
        """
        if self._identify is not None and not (token or username):
            return self._identify()
        token = token or ("" if username else self._token)
        if bool(token) == bool(username):
            raise UsageError("give either a token, or a user name and a password")
        if token:
            return self._service.gate.authenticate_token(token)
        return self._service.gate.authenticate_password(username, password)

    @bare_errors
    def resolve(  # noqa: PLR0913 - one for each option
        self,
        path_or_text: str | os.PathLike[str],
        *,
        tenant: str,
        caller: Caller,
        inputs: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        partial: bool = False,
        evaluate: bool = False,
        merge_imports: bool = False,
        dialect: str = "",
        allow_duplicate_keys: bool = False,
        root: str | os.PathLike[str] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> ResolvedBlueprint:
        """Resolve one blueprint, in memory: all of its calls, or none.

        Args:
            path_or_text: a path, or the blueprint's text: a `str` with a line break is text.
            tenant: the name of the tenant to ask in.
            caller: who asks.
            inputs: values for the blueprint's inputs, by name, as plain data.
            context: facts about the deployment, as `schemas/context.schema.json` describes them.
            partial: keep calls whose argument is not known before deployment, rather than refuse them.
            evaluate: evaluate the other functions too, where all their arguments are known.
            merge_imports: make one document of the blueprint and the local files that it imports.
            dialect: what the blueprint is read as, where its version leaves that open: `cloudify`, `tosca_1`,
                `tosca_2` or `yorc`.
            root: a folder around the blueprint's (around the working directory for a text), within which
                imports may lead out of that by `..`.
            allow_duplicate_keys: where a key stands twice in one mapping, let the last one count.
            cancelled: says whether nobody waits for the result any more. It is asked every few milliseconds
                of work; a yes ends that with an error.

        Returns:
            The resolved blueprint; close it, or use it in a `with` statement, to drop the values.

        Raises:
            UsageError: the file can't be read, the resolver was closed, or there is no such dialect.
            BlueprintError: anything kept a call from being resolved; all problems together.
            NotPermittedError: the caller may not use secrets in this tenant.
            UnavailableError: the store or a key is not available.
        """
        options = Options(
            {name: GivenInput(value) for name, value in (inputs or {}).items()},
            DeploymentContext(tenant) if context is None else make_context(context, tenant),
            partial,
            evaluate,
            merge_imports,
            dialect=_dialect(dialect),
            allow_duplicate_keys=allow_duplicate_keys,
            budget=None if cancelled is None else Budget(cancelled=cancelled),
        )
        service = self._service
        text = _text(path_or_text, None if root is None else Path(root))
        resolution = resolve(service, caller, tenant, [text], options)
        return resolution.blueprints[0]

    def run_secrets(self, name: str, *, tenant: str, caller: Caller) -> RunSecrets:
        """Secrets by key, for an orchestrator that evaluates blueprints itself.

        Args:
            name: what the audit trail calls the document that they are used in.
            tenant: the name of the tenant to ask in.
            caller: who asks.

        Returns:
            An object to ask for values; close it, or use it in a `with` statement, to drop them.
        """
        return RunSecrets(self._service, caller, tenant, name)


def _closed() -> UsageError:
    return UsageError("the resolver was closed", hint="open another one with `open_resolver`")


def _dialect(name: str) -> DialectName | None:
    if not name or name in set(DialectName):
        return DialectName(name) if name else None
    raise UsageError(f"there is no dialect {name!r}", hint=f"choose one of: {', '.join(DialectName)}")


def _text(path_or_text: str | os.PathLike[str], root: Path | None) -> BlueprintText:
    if isinstance(path_or_text, str) and "\n" in path_or_text:
        return BlueprintText("<text>", path_or_text.encode(), Path.cwd(), root)
    return BlueprintText.read(path_or_text, root)


@bare_errors
def open_resolver(
    home: str | os.PathLike[str] | None = None,
    *,
    url: str | None = None,
    token: str = "",
    ca_file: str | os.PathLike[str] | None = None,
    identity: str = "",
) -> Resolver:
    """Open a store: the server's that `url` names, or the one that the environment or a profile names.

    Args:
        home: the state directory; by default RESOLVER_HOME, or the user's data directory. It need not exist
            when a server has the store.
        url: a server's URL; by default RESOLVER_URL, or the profile's.
        token: the access token that `authenticate` takes when it is given none.
        ca_file: a file with the authorities that the server's certificate is verified against; by default
            RESOLVER_CA_FILE, or the system's.
        identity: where this workload's identity comes from, which `authenticate` shows to the server when it
            is given nothing: `github`, `gitlab`, `kubernetes`, `env:NAME`, `file:PATH` or `command:WORDS`; by
            default, where no token is given, RESOLVER_IDENTITY.

    Returns:
        A resolver; close it, or use it in a `with` statement.

    Raises:
        UsageError: a setting is wrong.
        RootKeyError: there is no root key.
        StoreError: there is no store, or it can't be opened.
    """
    given = {"RESOLVER_URL": url, "RESOLVER_CA_FILE": None if ca_file is None else os.fspath(ca_file)}
    environ = {**os.environ, **{name: text for name, text in given.items() if text is not None}}
    if url is not None:
        environ.pop("RESOLVER_DATABASE_URL", None)  # an argument goes before the environment
    settings = Settings(environ, None if home is None else Path(home))
    if identity and token:
        raise UsageError("give either a token or an identity")
    source = None if token else settings.identity(identity or None)
    service = open_any(settings, add_provider_types)
    return Resolver(service, token, None if source is None else partial(identify, service, settings, source))


T = TypeVar("T")

DEFAULT_THREADS = 8
"""How many calls of one `AsyncResolver` are at work at once."""


class ResolveOptions(TypedDict, total=False):
    """The options of `Resolver.resolve`, which says what each means."""

    inputs: Mapping[str, Any] | None
    context: Mapping[str, Any] | None
    partial: bool
    evaluate: bool
    merge_imports: bool
    dialect: str
    allow_duplicate_keys: bool
    root: str | os.PathLike[str] | None


class _Threads:
    """Threads that work for coroutines; what nobody waits for any more is dropped."""

    def __init__(self, number: int) -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only programs on asyncio need it

        self._pool = ThreadPoolExecutor(number, "resolver")

    async def run(self, work: Callable[[], T], gone: threading.Event | None = None) -> T:
        """Do a piece of work in a thread.

        Args:
            work: what to do.
            gone: is set when nobody waits for it any more.

        Raises:
            UsageError: the threads were ended.
        """
        import asyncio  # noqa: PLC0415 - as above

        try:
            future = self._pool.submit(work)
        except RuntimeError:
            future = None
        if future is None:
            raise _closed()
        try:
            return await asyncio.wrap_future(future)
        except BaseException:  # cancelled, or thrown away with its loop
            if gone is not None:
                gone.set()
            future.add_done_callback(_drop)
            raise

    async def end(self) -> None:
        """Wait until all work is done; none is taken any more."""
        import asyncio  # noqa: PLC0415 - as above

        await asyncio.to_thread(self._pool.shutdown)


def _drop(future: concurrent.futures.Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        result = future.result()
        if isinstance(result, Closing):
            result.close()


class AsyncResolver:
    """An open store for programs on asyncio: the calls of a `Resolver`, made in a few threads of its own.

    A call whose task is cancelled goes on for a moment in its thread: evaluating ends, a request to a server
    or a database is waited for. What it has obtained is dropped, and is in the audit trail all the same.

    Args:
        resolver: what does the work.
        threads: where it does it.
    """

    def __init__(self, resolver: Resolver, threads: _Threads) -> None:
        self._resolver = resolver
        self._threads = threads

    def __repr__(self) -> str:
        return f"Async{self._resolver!r}"

    async def authenticate(self, *, token: str = "", username: str = "", password: str = "") -> Caller:
        """Identify a caller; see `Resolver.authenticate`."""
        identify = self._resolver.authenticate
        return await self._threads.run(partial(identify, token=token, username=username, password=password))

    async def resolve(
        self,
        path_or_text: str | os.PathLike[str],
        *,
        tenant: str,
        caller: Caller,
        **options: Unpack[ResolveOptions],
    ) -> ResolvedBlueprint:
        """Resolve one blueprint, in memory; see `Resolver.resolve`."""
        gone = threading.Event()
        work = partial(
            self._resolver.resolve,
            path_or_text,
            tenant=tenant,
            caller=caller,
            cancelled=gone.is_set,
            **options,
        )
        return await self._threads.run(work, gone)

    def run_secrets(self, name: str, *, tenant: str, caller: Caller) -> AsyncRunSecrets:
        """Secrets by key, for who evaluates blueprints; see `Resolver.run_secrets`."""
        return AsyncRunSecrets(self._resolver.run_secrets(name, tenant=tenant, caller=caller), self._threads)

    async def close(self) -> None:
        """Give back what it holds, once all calls have ended. Closing twice does nothing."""
        self._resolver.close()
        await self._threads.end()


class AsyncRunSecrets:
    """The secrets of one run; the calls of a `RunSecrets`, made in the threads of an `AsyncResolver`.

    Args:
        secrets: what does the work.
        threads: where it does it.
    """

    def __init__(self, secrets: RunSecrets, threads: _Threads) -> None:
        self._secrets = secrets
        self._threads = threads

    def __repr__(self) -> str:
        return f"Async{self._secrets!r}"

    def expect(self, document: object) -> None:
        """Note the keys that are written in a document; nothing is looked up yet."""
        self._secrets.expect(document)

    async def demand(self, key: str) -> None:
        """Say whether a secret may be used; see `RunSecrets.demand`."""
        await self._threads.run(partial(self._secrets.demand, key))

    async def value(self, key: str) -> SecretValue:
        """The value of a secret; see `RunSecrets.value`."""
        return await self._threads.run(partial(self._secrets.value, key))

    def close(self) -> None:
        """Drop the values. Closing twice does nothing."""
        self._secrets.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextlib.asynccontextmanager
async def open_async_resolver(
    home: str | os.PathLike[str] | None = None,
    *,
    url: str | None = None,
    token: str = "",
    ca_file: str | os.PathLike[str] | None = None,
    identity: str = "",
    threads: int = DEFAULT_THREADS,
) -> AsyncIterator[AsyncResolver]:
    """Open a store for a block of `async with`, and close it at its end.

    Args:
        home: the state directory; see `open_resolver`.
        url: a server's URL.
        token: the access token that `authenticate` takes when it is given none.
        ca_file: a file with the authorities that the server's certificate is verified against.
        identity: where this workload's identity comes from; see `open_resolver`.
        threads: how many calls may be at work at once; others wait for their turn.

    Raises:
        UsageError, RootKeyError, StoreError: as `open_resolver` raises them.
    """
    own = _Threads(threads)
    try:
        opened = await own.run(
            partial(open_resolver, home, url=url, token=token, ca_file=ca_file, identity=identity)
        )
        resolver = AsyncResolver(opened, own)
        try:
            yield resolver
        finally:
            await resolver.close()
    finally:
        await own.end()
