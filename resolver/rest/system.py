"""The server itself: whether it is there, what it is, what it counts."""

from importlib.metadata import version
from typing import Any

from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.errors import UnavailableError
from resolver.rest.responses import Answer, page
from resolver.rest.routing import V3, V31, CallerDep, Group, ServerDep

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


class Ready(TypedDict):
    """Whether the server can do its work."""

    status: str


@OPEN.route("GET", "/ready", Ready)
def ready(server: ServerDep) -> Response:
    """Say whether the store can be read and its root key is at hand."""
    try:
        server.service.check_ready()
    except UnavailableError:
        return Answer({"status": "not ready"}, 503)
    return Answer({"status": "ready"})


@METRICS.route("GET", "/metrics")
def metrics(caller: CallerDep, server: ServerDep) -> Response:
    """The server's numbers in Prometheus's text format, for those who may read the system's audit trail."""
    server.service.admit_operator(caller)
    return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class Version(TypedDict):
    """What Cloudify tells of itself."""

    edition: str
    version: str
    build: str | None
    date: str | None
    commit: str | None
    distribution: str | None
    distro_release: str | None


@VERSION.route("GET", "/version", Version)
async def get_version(_caller: CallerDep) -> Response:
    """The program and its version."""
    told: dict[str, str | None] = dict.fromkeys(Version.__annotations__)
    return Answer(told | {"edition": "blueprint-resolver", "version": version("blueprint-resolver")})


class Status(TypedDict):
    """Whether everything that the server needs is there."""

    status: str
    services: dict[str, dict[str, Any]]


@STATUS.route("GET", "/status", Status)
def get_status(_caller: CallerDep, server: ServerDep) -> Response:
    """Whether everything that the server needs is there."""
    try:
        server.service.check_ready()
    except UnavailableError:
        active = False
    else:
        active = True
    store: dict[str, Any] = {
        "status": "Active" if active else "Inactive",
        "is_remote": False,
        "extra_info": {},
    }
    api = {"status": "Active", "is_remote": False, "extra_info": {}}
    return Answer({"status": "OK" if active else "Fail", "services": {"REST API": api, "Store": store}})


class Maintenance(TypedDict):
    """Cloudify's maintenance mode, which this server does not have."""

    status: str
    activated_at: str
    activation_requested_at: str
    remaining_executions: None
    requested_by: str


@STATUS.route("GET", "/maintenance", Maintenance)
async def get_maintenance(_caller: CallerDep) -> Response:
    """Always deactivated: there is no such mode."""
    told: dict[str, str | None] = dict.fromkeys(
        ("activated_at", "activation_requested_at", "requested_by"), ""
    )
    return Answer({"status": "deactivated", "remaining_executions": None, **told})


class Context(TypedDict):
    """What Cloudify's bootstrap left behind; nothing here."""

    id: str
    name: str
    context: dict[str, Any]


@STATUS.route("GET", "/provider/context", Context)
async def get_provider_context(_caller: CallerDep) -> Response:
    """An empty context, so that `cfy profiles use` goes on."""
    return Answer({"id": "", "name": "blueprint-resolver", "context": {}})


class Page(TypedDict):
    """A list without anything in it."""

    items: list[dict[str, Any]]
    metadata: dict[str, Any]


def _cluster(kind: str) -> None:
    async def nodes(_caller: CallerDep) -> Response:
        return Answer(page([], 0, _MAX_PAGE, 0))

    nodes.__name__ = f"list_{kind.replace('-', '_')}"
    nodes.__doc__ = "Always empty: `cfy profiles use` asks for the nodes of a cluster."
    STATUS.route("GET", f"/{kind}", Page)(nodes)


for _kind in ("managers", "brokers", "db-nodes"):
    _cluster(_kind)
