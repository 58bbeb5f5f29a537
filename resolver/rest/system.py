"""Routes about the server itself: readiness, version, status and metrics."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from msgspec import Struct, field
from starlette.responses import Response

from resolver.errors import UnavailableError
from resolver.rest.responses import Answer, CloudifyPage, page
from resolver.rest.routing import V3, V31, ApiCall, Group

OPEN = Group("server", "", guarded=False)
METRICS = Group("server", "")
STATUS = Group("server", V31, V3)
VERSION = Group("server", V31, V3, "/api")
"""Cloudify's client asks for the version before it knows of any."""

_MAX_PAGE = 1000


@OPEN.route("GET", "/ok", str)
async def ok() -> Response:
    """Say that the process answers."""
    return Answer("OK")


@OPEN.route("GET", f"{V31}/ok", str)
async def api_ok() -> Response:
    """Say that the process answers, where Cloudify says it."""
    return Answer("OK")


class Readiness(Struct, frozen=True):
    """Whether the server can do its work."""

    status: str


@OPEN.route("GET", "/ready", Readiness)
async def ready(call: ApiCall) -> Response:
    """Say whether the store can be read and its root key is at hand.

    Both are looked at once a second at most. A server that was told to stop is not ready, and goes on for a
    while, until whoever sends requests its way has noticed.
    """
    if call.server.is_stopping:
        return Answer(Readiness("stopping"), 503)
    if await call.server.readiness.look():
        return Answer(Readiness("ready"))
    return Answer(Readiness("not ready"), 503)


@METRICS.route("GET", "/metrics")
def metrics(call: ApiCall) -> Response:
    """The server's numbers in Prometheus's text format, for those who may read the system's audit trail."""
    call.service.admit_operator(call.caller)
    return Response(call.server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class ProgramVersion(Struct, frozen=True):
    """What Cloudify tells of itself."""

    edition: str
    version: str
    build: str | None = None
    date: str | None = None
    commit: str | None = None
    distribution: str | None = None
    distro_release: str | None = None


@VERSION.route("GET", "/version", ProgramVersion)
async def get_version() -> Response:
    """The program and its version."""
    return Answer(ProgramVersion("blueprint-resolver", version("blueprint-resolver")))


class ServiceStatus(Struct, frozen=True):
    """Whether one thing that the server needs is there."""

    status: str
    is_remote: bool = False
    extra_info: dict[str, Any] = field(default_factory=dict)


class ServerStatus(Struct, frozen=True):
    """Whether everything that the server needs is there."""

    status: str
    services: dict[str, ServiceStatus]


@STATUS.route("GET", "/status", ServerStatus)
def get_status(call: ApiCall) -> Response:
    """Whether everything that the server needs is there."""
    try:
        call.service.check_ready()
    except UnavailableError:
        active = False
    else:
        active = True
    services = {
        "REST API": ServiceStatus("Active"),
        "Store": ServiceStatus("Active" if active else "Inactive"),
    }
    return Answer(ServerStatus("OK" if active else "Fail", services))


class Maintenance(Struct, frozen=True):
    """Cloudify's maintenance mode, which this server does not have."""

    status: str = "deactivated"
    activated_at: str = ""
    activation_requested_at: str = ""
    remaining_executions: None = None
    requested_by: str = ""


@STATUS.route("GET", "/maintenance", Maintenance)
async def get_maintenance() -> Response:
    """Always deactivated: there is no such mode."""
    return Answer(Maintenance())


class ProviderContext(Struct, frozen=True):
    """What Cloudify's bootstrap left behind; nothing here."""

    id: str = ""
    name: str = "blueprint-resolver"
    context: dict[str, Any] = field(default_factory=dict)


@STATUS.route("GET", "/provider/context", ProviderContext)
async def get_provider_context() -> Response:
    """An empty context, so that `cfy profiles use` goes on."""
    return Answer(ProviderContext())


def _cluster(kind: str) -> None:
    async def nodes() -> Response:
        return Answer(page([], 0, _MAX_PAGE, 0))

    nodes.__name__ = f"list_{kind.replace('-', '_')}"
    nodes.__doc__ = "Always empty: `cfy profiles use` asks for the nodes of a cluster."
    STATUS.route("GET", f"/{kind}", CloudifyPage[dict[str, Any]])(nodes)


for _kind in ("managers", "brokers", "db-nodes"):
    _cluster(_kind)
