"""Routes that know who asks before anything else of a request is read."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict
from starlette.responses import Response

from resolver.core.model import Caller
from resolver.core.providers import HOPS_HEADER
from resolver.core.strict_json import read_json
from resolver.errors import AuthenticationError, NotPermittedError
from resolver.protocol import OWN_ROUTES, TENANT_HEADER, TOKEN_HEADER
from resolver.rest.auth import Authenticator
from resolver.rest.errors import RequestError
from resolver.rest.metrics import Metrics
from resolver.rest.options import ServerOptions
from resolver.rest.rate_limit import Buckets
from resolver.service import Service

F = TypeVar("F", bound=Callable[..., Any])

V31 = "/api/v3.1"
V3 = "/api/v3"
OWN = OWN_ROUTES

_SEALED_AT_ONCE = 2
"""Making a key of a passphrase is slow and large on purpose, and a file holds many values."""


@dataclass
class Server:
    """What the routes of one server process share.

    Args:
        service: the service.
        options: the limits and rules.

    Attributes:
        sealing: keeps the files that are sealed and opened at once to a few. They wait for one another, and
            nobody who logs in waits for them.
    """

    service: Service
    options: ServerOptions
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(self.service)
        self.sealing = CapacityLimiter(_SEALED_AT_ONCE)
        self.addresses = Buckets(self.options.address_rate)
        self.users = Buckets(self.options.user_rate)


def server_of(request: Request) -> Server:
    """The server that a request came to."""
    server = request.app.state.server
    if not isinstance(server, Server):
        raise TypeError
    return server


class JsonRequest(Request):
    """A request whose body is bounded in size, in the time it takes to arrive, and in its depth as JSON."""

    async def body(self) -> bytes:
        """The whole body."""
        if not hasattr(self, "_body"):
            options = server_of(self).options
            try:
                async with asyncio.timeout(options.body_seconds):
                    self._body = await self._read(options.max_body)
            except TimeoutError:
                raise RequestError(408, "the body took too long to arrive", {"Connection": "close"}) from None
        return self._body

    async def _read(self, limit: int) -> bytes:
        too_large = RequestError(413, f"the body is over {limit} bytes", {"Connection": "close"})
        announced = self.headers.get("Content-Length", "0")
        if not announced.isdecimal() or int(announced) > limit:
            raise too_large
        data = bytearray()
        async for chunk in self.stream():
            data += chunk
            if len(data) > limit:
                raise too_large
        return bytes(data)

    async def json(self) -> Any:  # noqa: ANN401 - JSON data
        """The body as JSON data. Nothing of it is in any error, nor behind one."""
        if not hasattr(self, "_json"):
            data = await self.body()
            parsed, fault = _parse(data, server_of(self).options.max_depth)
            if fault:
                raise RequestError(400, fault)
            self._json = parsed
        return self._json


def _parse(data: bytes, max_depth: int) -> tuple[Any, str]:
    """JSON data, or what is wrong with it."""
    try:
        parsed = read_json(data.decode())
    except RecursionError:
        return None, f"the body is nested deeper than {max_depth} levels"
    except ValueError:
        return None, "the body is not valid JSON"
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
    return None, f"the body is nested deeper than {max_depth} levels"


def demand_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON: a page of another site can't say so by itself.

    Raises:
        RequestError: the content type is another one.
    """
    main, _, parameters = request.headers.get("Content-Type", "").partition(";")
    named = parameters.strip().lower().replace('"', "")
    if main.strip().lower() != "application/json" or named not in ("", "charset=utf-8"):
        raise RequestError(415, "Content type must be application/json")


async def admit(request: Request) -> None:
    """Identify who asks, and see that they don't ask too often.

    Raises:
        AuthenticationError: the credentials are missing, malformed or not valid.
        RequestError: too many requests.
    """
    server = server_of(request)
    try:
        caller = await server.authenticator.identify(request)
    except AuthenticationError:
        server.metrics.refused_logins.inc()
        raise
    request.state.caller = caller
    if wait := server.users.take(caller.user_id):
        server.metrics.limited.labels("user").inc()
        raise too_many(wait)


def too_many(wait: float) -> RequestError:
    """The refusal of one who asks too often."""
    return RequestError(429, "too many requests", {"Retry-After": str(int(wait) + 1)})


class OpenRoute(APIRoute):
    """A route that anyone may ask, and whose bodies are bounded JSON."""

    async def admit(self, request: Request) -> None:
        """Let anyone in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which notes the route's template for the log, and first of all asks who is there."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def bounded(request: Request) -> Response:
            request.state.template = self.path
            await self.admit(request)
            taken = JsonRequest(request.scope, request.receive)
            if takes_body and await taken.body():
                demand_json(taken)
                # Here, where what is wrong with it is told in our words.
                taken.state.has_fields = bool(await taken.json())
            return await handle(taken)

        return bounded


class GuardedRoute(OpenRoute):
    """A route for callers who say who they are."""

    async def admit(self, request: Request) -> None:
        """Let those in who say who they are, and don't ask too often."""
        await admit(request)


class Group:
    """Routes of one kind, below one or several prefixes. Only the first one's are in the OpenAPI document.

    Args:
        tag: what the document calls them.
        prefixes: where they are.
        guarded: whether callers have to say who they are.
    """

    def __init__(self, tag: str, *prefixes: str, guarded: bool = True) -> None:
        kind = GuardedRoute if guarded else OpenRoute
        self.guarded = guarded
        self.routers = [APIRouter(prefix=prefix, route_class=kind, tags=[tag]) for prefix in prefixes]

    def route(
        self,
        method: str,
        path: str,
        answer: Any = None,  # noqa: ANN401 - a type for the document
        *,
        status: int = 200,
        or_nothing: bool = False,
    ) -> Callable[[F], F]:
        """Add a function as a route.

        Args:
            method: the HTTP method.
            path: the path below the prefixes.
            answer: the type of its answer, for the document.
            status: the status of its success.
            or_nothing: whether it may also succeed with nothing to tell, which is 204.
        """
        responses = _documented(answer, status, guarded=self.guarded)
        if or_nothing:
            responses[204] = {"description": "Done, with nothing to tell."}

        def add(function: F) -> F:
            for number, router in enumerate(self.routers):
                router.add_api_route(
                    path,
                    function,
                    methods=[method],
                    status_code=status,
                    response_class=Response,
                    response_model=None,
                    responses=responses,
                    include_in_schema=number == 0,
                    operation_id=function.__name__,
                    openapi_extra=_more_documented(function, guarded=self.guarded),
                )
            return function

        return add


class ErrorBody(BaseModel):
    """What every error answers."""

    message: str
    error_code: str
    server_traceback: str | None
    hint: str = ""


def _documented(answer: Any, status: int, *, guarded: bool) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401
    found: dict[int | str, dict[str, Any]] = {status: {"description": "Done."}}
    if answer is not None:
        found[status]["model"] = answer
    if guarded:
        found["default"] = {"description": "Refused.", "model": ErrorBody}
    return found


def _more_documented(function: Callable[..., Any], *, guarded: bool) -> dict[str, Any]:
    """What the framework does not see of a route: who may ask, and the headers that we read ourselves."""
    found: dict[str, Any] = {}
    if guarded:
        found["security"] = [{"token": []}, {"bearer": []}, {"basic": []}]
    needed = {TenantDep: True, AnyTenantDep: False}
    found["parameters"] = [
        {
            "name": TENANT_HEADER,
            "in": "header",
            "required": needed[annotation],
            "schema": {"type": "string"},
        }
        for annotation in function.__annotations__.values()
        if annotation in needed
    ]
    return found


SECURITY_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


class Body(BaseModel):
    """Base of the bodies of requests. What it does not know is passed over, as Cloudify does."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> Any:  # noqa: ANN401 - the signature is pydantic's
        """Nothing: most bodies hold values or passwords somewhere."""
        return []


def _read_flag(value: object) -> object:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("is not a boolean: write true or false")  # noqa: TRY004 - what pydantic turns into its own
    return value


Flag = Annotated[bool, BeforeValidator(_read_flag, json_schema_input_type=bool)]
"""A boolean that may be written as text, as Cloudify's client does."""


async def _caller(request: Request) -> Caller:
    caller = request.state.caller
    if not isinstance(caller, Caller):
        raise TypeError
    return caller


# Each of these is async: others would be run in a thread of their own, one after the other.


async def _server(request: Request) -> Server:
    return server_of(request)


async def _service(request: Request) -> Service:
    return server_of(request).service


async def _tenant_if_named(request: Request) -> str:
    names = request.headers.getlist(TENANT_HEADER)
    if len(names) > 1:  # a proxy may have judged by the other one
        raise RequestError(400, f"the header {TENANT_HEADER} was given more than once")
    return names[0] if names else ""


async def _tenant(request: Request) -> str:
    name = await _tenant_if_named(request)
    if not name:
        raise NotPermittedError("no tenant was named", hint=f"name it in the header {TENANT_HEADER}")
    request.state.tenant_by_header = True
    return name


async def _hops(request: Request) -> int:
    text = request.headers.get(HOPS_HEADER, "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 3:  # noqa: PLR2004 - far beyond the limit
        raise RequestError(400, f"the header {HOPS_HEADER} is not a number")
    return int(text)


CallerDep = Annotated[Caller, Depends(_caller)]
"""Who asks."""

ServiceDep = Annotated[Service, Depends(_service)]
"""The service."""

ServerDep = Annotated[Server, Depends(_server)]
"""What the routes share."""

TenantDep = Annotated[str, Depends(_tenant)]
"""The tenant that the header names."""

AnyTenantDep = Annotated[str, Depends(_tenant_if_named)]
"""The same, or empty."""

HopsDep = Annotated[int, Depends(_hops)]
"""How many managers the request has come through."""
