"""Routes: each request's caller is identified before anything else of the request is read.

A route is a function. Its parameters say what it needs, by their names:

- `call`: the `ApiCall`, with the caller, the service and the request
- `tenant`: the tenant that the header names; `any_tenant`: the same, or empty when there is no such header
- `body`: the JSON body as the record that the annotation names; with a default the body may be left out
- `budget`: what the work may cost; it ends when the client has gone
- `query`: the query of the URL, as the record that the annotation names
- any other name: that part of the path, as text
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import re
import time
import typing
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from anyio import CapacityLimiter
from starlette.routing import Route

from resolver.core import policy
from resolver.core.providers import FORWARDS_HEADER
from resolver.dsl.budget import Budget
from resolver.errors import AuthenticationError, NotPermittedError, StoppedError
from resolver.protocol import OWN_ROUTES, TENANT_HEADER
from resolver.protocol.codec import MalformedError, decode, parse
from resolver.rest.auth import Authenticator
from resolver.rest.connections import Connections, has_body
from resolver.rest.errors import RequestError, malformed, unknown_name
from resolver.rest.lanes import REQUEST_SECONDS, Lane, Load
from resolver.rest.metrics import Metrics
from resolver.rest.proxies import TrustedProxies
from resolver.rest.rate_limit import Buckets
from resolver.rest.readiness import ReadinessProbe
from resolver.rest.shares import Account, NameLimiter, Shares, Sharing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from resolver.core.model import Caller
    from resolver.core.permissions import Permission
    from resolver.rest.options import ServerOptions
    from resolver.service import Service

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")

MAX_UPLOAD_SECONDS = 20.0
"""Longest time that reading and resolving uploaded blueprints may compute."""

MAX_UPLOAD_CHARACTERS = 32 * 1024 * 1024
"""Most characters that a server makes for uploaded blueprints, those in between included."""

V31 = "/api/v3.1"
V3 = "/api/v3"
OWN = OWN_ROUTES

Flag = bool | Annotated[str, msgspec.Meta(pattern=r"^(?i:true|false)\Z")]
"""A boolean that may be written as text, as Cloudify's client does; see `is_true`."""

_SEALED_AT_ONCE = 2
"""Making a key of a passphrase is slow and large on purpose, and a file holds many values."""

_TURNS = 4
"""How many of the 40 threads work for one address or one user: more would only wait for the interpreter."""

_REST = 1
"""How many times as long as each step of long work the pause after it is."""

_LARGE = 64 * 1024
"""Length of a body from which on reading its blueprints takes long, and a hundred times its memory."""

_LARGE_AT_ONCE = 2
"""How many such are worked at: one for each user, and the others' threads get the interpreter, too."""

_BYTES_A_REQUEST = 64 * 1024
"""How many bytes of a body or an answer count as one more request, by the rate of who asks."""

_PIECE_SECONDS = 0.0002
"""About how long the event loop takes to pass on as many bytes."""

_ANSWERED = (404, 409)
"""What a question is answered with whose answer is no: that there is none, or that there is one already."""

_VERSION_TAG = re.compile(r'"([0-9]{1,10})"')
"""The `ETag` of a secret: the number of its current version."""

_SIGN_INS_A_SECOND = 5.0
"""Sign-ins by providers that one network may begin; offices share an address."""

_MAX_FORWARDS_DIGITS = 3
"""Far beyond the limit on how many managers a request may come through."""


def is_true(flag: Flag) -> bool:
    """The boolean that a flag means."""
    return flag if isinstance(flag, bool) else flag.lower() == "true"


MOST_ITEMS = 250_000
"""Most values, names and brackets in a body: 16 MiB of them would be half a gigabyte once parsed."""

_TEXT = re.compile(rb'"[^"]*"')
"""A text of JSON that has no escaped quotes."""

_MOST_ON_LOOP = 16 * 1024
"""Larger bodies are parsed in a thread, so that nobody waits for them."""

MOST_BEFORE_LOGIN = 4 * 1024
"""Largest body of one who has not said who they are, in bytes."""

MOST_USUAL = 64 * 1024
"""Largest body of a route that takes no larger ones, or from one who may not do there what it is for."""

MOST_PARAMETERS = 200
"""Most parameters of a query."""


class Server:
    """What the routes of one server process share.

    Args:
        service: the service.
        options: the limits and rules.
        lane: which lane this process is; without one, the only one.

    Attributes:
        metrics: what is counted.
        authenticator: identifies callers.
        sealing: bounds how many files are sealed and opened at once. They wait for one another, and nobody
            who logs in waits for them.
        addresses: the rate limit of each network.
        probes: that of its questions after health, which are answered beyond it, too.
        newcomers: that of its new connections.
        users: the rate limit of each user.
        sign_ins: that of sign-ins by providers which each network begins.
        sharing: how large the share of each address is.
        trusted: the proxies that are believed.
        connections: all connections.
        places: for requests in work.
        memory: bytes of bodies and answers.
        turns: how many threads work for one address or one user.
        uploads: bounds how many large blueprints are worked at, and `uploading` how many of one user's.
        readiness: whether the store can be used.
        is_stopping: whether it was told to stop, and is not ready for more.
        is_closing: whether each connection ends with its next answer.
    """

    def __init__(self, service: Service, options: ServerOptions, lane: Lane | None = None) -> None:
        self.service = service
        self.options = options
        self.lane = lane or Lane(Load())
        self.metrics = Metrics()
        self.sealing = CapacityLimiter(_SEALED_AT_ONCE)
        self.addresses = Buckets(options.address_rate)
        self.probes = Buckets(options.address_rate)
        self.newcomers = Buckets(2 * options.address_rate)  # a refused request costs one
        self.users = Buckets(options.user_rate)
        self.sign_ins = Buckets(min(_SIGN_INS_A_SECOND, options.address_rate))
        self.sharing = Sharing(options.share, options.network_shares)
        self.trusted = TrustedProxies(options.trusted_proxies)
        self.connections = Connections(
            options, self.sharing, self.metrics.limited.labels("connections").inc, self.lane.load
        )
        self.places = Shares(options.max_requests, self.sharing)
        self.memory = Shares(options.max_memory, self.sharing)
        self.turns = NameLimiter(_TURNS)
        self.uploads, self.uploading = CapacityLimiter(_LARGE_AT_ONCE), NameLimiter(1)
        self.authenticator = Authenticator(service, self.turns, self.sharing)
        self.readiness = ReadinessProbe(service.check_ready)
        self.is_stopping = self.is_closing = False

    def count(self, account: Account, status: int) -> None:
        """Count what a request took, once it has been answered with a status."""
        pieces = account.moved / _BYTES_A_REQUEST
        refused = 400 <= status < 500 and status not in _ANSWERED  # noqa: PLR2004 - what HTTP blames the client for
        seconds = REQUEST_SECONDS + account.worked + pieces * _PIECE_SECONDS
        self.lane.load.add(account.address, seconds, refused=refused)

    def charge(self, account: Account) -> None:
        """Count what a request moved as more requests of who asked: a large one takes as long as many."""
        cost = account.moved / _BYTES_A_REQUEST
        if cost >= 1:
            if account.user_id:
                self.users.charge(account.user_id, cost)
            else:
                self.addresses.charge(account.address, cost)


class ApiCall:
    """One request, as a route sees it.

    Args:
        request: the request.
        server: what the routes share.

    Attributes:
        service: the service.
        caller: who asks; only where the route's group is guarded.
        has_body: whether there is a body that is not empty.
        has_fields: whether it is an object that has any.
        account: what the request has of what is shared.
        max_body: the largest body that is read, in bytes.
    """

    def __init__(self, request: Request, server: Server) -> None:
        self.request = request
        self.server = server
        self.service = server.service
        self.account: Account = request.state.account
        self.max_body = MOST_BEFORE_LOGIN
        self.caller: Caller
        self.has_body = self.has_fields = False
        self._is_gone = False
        self._parsed: Any = None

    @property
    def forwards(self) -> int:
        """How many managers the request has come through.

        Raises:
            RequestError: the header is not a number.
        """
        text = self.request.headers.get(FORWARDS_HEADER, "0")
        if not text.isascii() or not text.isdecimal() or len(text) > _MAX_FORWARDS_DIGITS:
            raise RequestError(400, f"the header {FORWARDS_HEADER} is not a number")
        return int(text)

    @property
    def any_tenant(self) -> str:
        """The tenant that the header names, or nothing.

        Raises:
            RequestError: there are several of them.
        """
        names = self.request.headers.getlist(TENANT_HEADER)
        if len(names) > 1:  # a proxy may have judged by the other one
            raise RequestError(400, f"the header {TENANT_HEADER} was given more than once")
        return names[0] if names else ""

    @property
    def tenant(self) -> str:
        """The tenant that the header names.

        Raises:
            NotPermittedError: it names none.
            RequestError: there are several of them.
        """
        name = self.any_tenant
        if not name:
            raise NotPermittedError("no tenant was named", hint=f"name it in the header {TENANT_HEADER}")
        self.request.state.tenant_by_header = True
        return name

    def if_version(self, given: int | None = None) -> int | None:
        """The version that has to be the current one: by the header If-Match, or as it was given elsewhere.

        Raises:
            RequestError: both say one, or the header says none, or several of them.
        """
        tags = self.request.headers.getlist("If-Match")
        if not tags or tags == ["*"]:
            return given
        if given is not None:
            raise RequestError(400, "the header If-Match and `if_version` were given: give one of them")
        if len(tags) > 1 or "," in tags[0]:
            raise RequestError(400, "the header If-Match has several versions: give one of them")
        version = _VERSION_TAG.fullmatch(tags[0].strip())
        if version is None:
            raise RequestError(412, 'no secret has this version: the header If-Match is as ETag was, `"3"`')
        self.request.state.if_match = True
        return int(version[1])

    def refuse_if_match(self) -> None:
        """Refuse a condition where none is looked at; RequestError when there is one."""
        if "If-Match" in self.request.headers:
            raise RequestError(400, "the header If-Match is for changes by PATCH, DELETE and rollback")

    def query(self, kind: type[T]) -> T:
        """The query of the URL as a record; of a parameter that is repeated, the last one counts.

        Our own API takes parameters with the underscore before them that Cloudify's have, and without it.
        """
        if self.request.scope["query_string"].count(b"&") >= MOST_PARAMETERS:
            raise RequestError(400, f"the query has more than {MOST_PARAMETERS} parameters")
        given = self.request.query_params
        any_kind: Any = kind
        lists = _list_fields(any_kind)
        also = _other_names(any_kind) if self.request.state.template.startswith(OWN) else {}
        data: dict[str, Any] = {}
        for written in given:
            name = also.get(written, written)
            data[name] = given.getlist(written) if name in lists else given[written]
        try:
            return decode(kind, data, from_text=True)
        except MalformedError as error:
            fault = error
        raise malformed(kind, fault, "query")

    def budget(self) -> Budget:
        """What the work for this request may cost."""
        return Budget(
            characters=MAX_UPLOAD_CHARACTERS,
            seconds=MAX_UPLOAD_SECONDS,
            clock=time.thread_time,
            cancelled=lambda: self._is_gone,
            payer=self.caller.user_id,
        )

    def pace(self) -> Callable[[str, int], None]:
        """What a long piece of work in a thread calls between its steps: it rests, and ends with the server.

        Threads of others want the interpreter, too. A step of no further items does not rest: others may wait
        for the transaction that it is in.
        """
        began = time.thread_time()

        def step(_doing: str, more: int) -> None:
            nonlocal began
            if self.server.is_closing:
                raise StoppedError("the server is stopping")
            if more:
                time.sleep(_REST * (time.thread_time() - began))
                began = time.thread_time()

        return step

    async def watched(self, answer: Awaitable[T]) -> T:
        """The answer, while it is noted when the client goes; nothing may be left to read of the request."""
        watching = asyncio.ensure_future(self._watch())
        try:
            return await answer
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while (await self.request.receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True

    async def read_body(self) -> None:
        """Read the body, and parse it when it is not empty. Whoever's body is on its way takes no place.

        Raises:
            RequestError: it is too large, too slow, no JSON, nested too deeply, or there is no room for it.
        """
        if not has_body(self.request.scope):
            return
        self.account.leave()
        data = await self._read()
        self.account.enter()
        if not data:
            return
        _demand_json(self.request)
        depth = self.server.options.max_depth
        if len(data) <= _MOST_ON_LOOP:
            self._parsed, fault = _parse(data, depth)
        else:
            async with self.server.turns.of(self.account.name):
                self._parsed, fault = await self.account.run(lambda: _parse(data, depth))
        if fault:
            raise RequestError(400, fault)
        self.has_body, self.has_fields = True, bool(self._parsed)

    def body(self, kind: type[T]) -> T:
        """The body, which was read, as a record.

        Raises:
            RequestError: there is none, or it is not what the record says.
        """
        if not self.has_body:
            raise RequestError(400, "the request has no JSON body")
        try:
            return decode(kind, _without_nulls(kind, self._parsed))
        except MalformedError as error:
            wrong = error
        raise malformed(kind, wrong, "body")

    async def _read(self) -> bytes:
        """The whole body, bounded in size and in the time it takes to arrive."""
        try:
            async with asyncio.timeout(self.server.options.body_seconds):
                return await self._read_bounded(self.max_body)
        except TimeoutError:
            raise RequestError(408, "the body took too long to arrive", {"Connection": "close"}) from None

    async def _read_bounded(self, limit: int) -> bytes:
        too_large = RequestError(413, f"the body is over {limit} bytes", {"Connection": "close"})
        announced = self.request.headers.get("Content-Length", "0")
        if not announced.isdecimal() or int(announced) > limit:
            raise too_large
        data = bytearray()
        async for chunk in self.request.stream():
            data += chunk
            if len(data) > limit:
                raise too_large
            self.account.hold(len(chunk))
        return bytes(data)


def _parse(data: bytes, max_depth: int) -> tuple[Any, str]:
    """JSON data, or what is wrong with it."""
    too_deep = f"the body is nested deeper than {max_depth} levels"
    if has_too_many_items(data):
        return None, f"the body holds more than {MOST_ITEMS} values"
    try:
        parsed = parse(data)
    except RecursionError:
        return None, too_deep
    except ValueError as error:
        reason = str(error)
        return None, f"the body is not valid JSON{': ' if reason else ''}{reason}"
    level = [parsed] if isinstance(parsed, (dict, list)) else []
    for _ in range(max_depth):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return parsed, ""
    return None, too_deep


def has_too_many_items(data: bytes) -> bool:
    """Whether JSON text holds more values than are taken, told without making any of them."""
    if _items_of(data) <= MOST_ITEMS:
        return False
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")  # each quote that is left begins or ends a text
    return plain.count(b'"') > 2 * MOST_ITEMS or _items_of(_TEXT.sub(b"", plain)) > MOST_ITEMS


def _items_of(data: bytes) -> int:
    return sum(map(data.count, (b",", b"[", b"{")))


def _demand_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON: a page of another site can't say so by itself."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise RequestError(415, "a body is taken without a Content-Encoding", {"Accept-Encoding": "identity"})
    main, _, parameters = request.headers.get("Content-Type", "").partition(";")
    named = parameters.strip().lower().replace('"', "")
    if main.strip().lower() != "application/json" or named not in ("", "charset=utf-8"):
        raise RequestError(415, "Content type must be application/json")


def _fields_of(kind: Any) -> Sequence[msgspec.inspect.Field]:  # noqa: ANN401 - a type
    info = msgspec.inspect.type_info(kind)
    return info.fields if isinstance(info, msgspec.inspect.StructType) else ()


@functools.cache
def _list_fields(kind: Any) -> frozenset[str]:  # noqa: ANN401 - a type
    """The parameters of a query that may be repeated."""
    return frozenset(
        field.encode_name for field in _fields_of(kind) if isinstance(field.type, msgspec.inspect.ListType)
    )


@functools.cache
def _other_names(kind: Any) -> Mapping[str, str]:  # noqa: ANN401 - a type
    """The parameters of a query, by what they are called with an underscore, or else without it."""
    names = [field.encode_name for field in _fields_of(kind)]
    return {name[1:] if name.startswith("_") else f"_{name}": name for name in names}


@functools.cache
def _fields_without_null(kind: Any) -> frozenset[str]:  # noqa: ANN401 - a type
    """The optional fields of a record that have no null: release 0.1.0 sends it for one that is not given."""
    return frozenset(
        field.encode_name for field in _fields_of(kind) if not field.required and not _admits_null(field.type)
    )


def _admits_null(info: msgspec.inspect.Type) -> bool:
    nullable = (msgspec.inspect.NoneType, msgspec.inspect.AnyType)
    return isinstance(info, nullable) or (
        isinstance(info, msgspec.inspect.UnionType) and any(isinstance(one, nullable) for one in info.types)
    )


def _without_nulls(kind: type, parsed: object) -> object:
    if not isinstance(parsed, dict) or None not in parsed.values():
        return parsed
    absent = _fields_without_null(kind)
    return {name: value for name, value in parsed.items() if value is not None or name not in absent}


async def admit(request: Request) -> Caller:
    """Identify who asks, and see that they don't ask too often.

    Raises:
        AuthenticationError: the credentials are missing, malformed or not valid.
        RequestError: too many requests.
    """
    server = server_of(request)
    account: Account = request.state.account
    try:
        caller = await server.authenticator.identify(request)
    except AuthenticationError:
        server.metrics.refused_logins.inc()
        raise
    request.state.caller = caller
    account.belongs_to(caller.user_id)
    if wait := server.users.take(caller.user_id):
        server.metrics.limited.labels("user").inc()
        raise too_many(wait)
    return caller


def server_of(request: Request) -> Server:
    """The server that a request came to."""
    server = request.app.state.server
    if not isinstance(server, Server):
        raise TypeError
    return server


def too_many(wait: float) -> RequestError:
    """The refusal of one who asks too often."""
    return RequestError(429, "too many requests", {"Retry-After": str(int(wait) + 1)})


class Operation:
    """One route: its address, its function, and what the document says of it.

    Args:
        method: the HTTP method.
        path: the path, with its prefix.
        function: what answers; see the module's docstring for its parameters.
        group: what it belongs to.
        answer: the type of a successful answer.
        status: the status of its success.
        or_nothing: whether it may also succeed with nothing to say, which is 204.
        needs: the permission with which its body may be large; None where it never is.
        largest: the largest body, in bytes, where nobody has to say who asks.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that a route says
        self,
        method: str,
        path: str,
        function: Callable[..., Any],
        group: Group,
        *,
        answer: Any = None,  # noqa: ANN401 - any type
        status: int = 200,
        or_nothing: bool = False,
        needs: Permission | None = None,
        largest: int,
    ) -> None:
        self.method, self.path, self.function, self.needs = method, path, function, needs
        self.largest = largest
        self.tag, self.guarded = group.tag, group.guarded
        self.answer, self.status, self.or_nothing = answer, status, or_nothing
        self.parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
        self._is_async = inspect.iscoroutinefunction(function)
        self.kinds: Mapping[str, Any] = typing.get_type_hints(function)
        # Whoever names no tenant where one is needed learns that before what else is wrong.
        self._order = sorted(self.parameters, key=lambda name: not name.endswith("tenant"))

    @property
    def body_is_optional(self) -> bool:
        """Whether the body may be left out."""
        return self.parameters["body"].default is not inspect.Parameter.empty

    def route(self) -> Route:
        """The route of the web framework, which takes HEAD for each GET."""
        return Route(self.path, self.answer_request, methods=[self.method])

    async def answer_request(self, request: Request) -> Response:
        """Answer one request: first of all ask who is there."""
        request.state.template = self.path
        server = server_of(request)
        call = ApiCall(request, server)
        if self.guarded:
            call.caller = await admit(request)
            most = server.options.max_body
            is_large = self.needs is not None and policy.could(call.caller, self.needs)
            call.max_body = most if is_large else min(most, MOST_USUAL)
        else:
            call.max_body = self.largest
        if self.path.startswith(OWN) and "query" not in self.parameters and request.query_params:
            raise unknown_name("the query", next(iter(request.query_params)), ())
        if "body" in self.parameters:
            await call.read_body()
        given = {name: self._argument(call, name) for name in self._order}
        if self._is_async:
            answer: Response = await self.function(**given)
            return answer
        async with contextlib.AsyncExitStack() as stack:
            if "budget" in given and call.account.moved > _LARGE:
                await stack.enter_async_context(server.uploading.of(call.account.name))
                await stack.enter_async_context(server.uploads)
            await stack.enter_async_context(server.turns.of(call.account.name))
            done: Awaitable[Response] = call.account.run(lambda: self.function(**given))
            return await (call.watched(done) if "budget" in given else done)

    def _argument(self, call: ApiCall, name: str) -> Any:  # noqa: ANN401 - what the function needs
        match name:
            case "call":
                return call
            case "tenant":
                return call.tenant
            case "any_tenant":
                return call.any_tenant
            case "budget":
                return call.budget()
            case "query":
                return call.query(self.kinds["query"])
            case "body":
                if self.body_is_optional and not call.has_body:
                    return self.parameters["body"].default
                return call.body(self.kinds["body"])
            case _:
                return call.request.path_params[name]


class Group:
    """Routes of one kind, below one or several prefixes. Only the first one's are in the OpenAPI document.

    Args:
        tag: what the document calls them.
        prefixes: where they are.
        guarded: whether callers have to say who they are.

    Attributes:
        operations: those of the first prefix, in the order of the document.
        routes: all of them, for the web framework.
    """

    def __init__(self, tag: str, *prefixes: str, guarded: bool = True) -> None:
        self.tag, self.prefixes, self.guarded = tag, prefixes, guarded
        self.operations: list[Operation] = []
        self.routes: list[Route] = []

    def route(
        self,
        method: str,
        path: str,
        answer: Any = None,  # noqa: ANN401 - a type for the document
        *,
        status: int = 200,
        or_nothing: bool = False,
        needs: Permission | None = None,
        largest: int = MOST_BEFORE_LOGIN,
    ) -> Callable[[F], F]:
        """Add a function as a route.

        Args:
            method: the HTTP method.
            path: the path below the prefixes.
            answer: the type of its answer, for the document.
            status: the status of its success.
            or_nothing: whether it may also succeed with nothing to say, which is 204.
            needs: the permission with which its body may be large; None where it never is.
            largest: the largest body, in bytes, where nobody has to say who asks.
        """

        def add(function: F) -> F:
            for number, prefix in enumerate(self.prefixes):
                operation = Operation(
                    method,
                    prefix + path,
                    function,
                    self,
                    answer=answer,
                    status=status,
                    or_nothing=or_nothing,
                    needs=needs,
                    largest=largest,
                )
                self.routes.append(operation.route())
                if number == 0:
                    self.operations.append(operation)
            return function

        return add
