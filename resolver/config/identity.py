"""The identity that a platform gives to a workload: a JWT, asked for or read anew at each run, never kept.

It is looked at only to say what is wrong with it: whether it is genuine is for the server to find out.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from resolver.config.files import called, unreadable
from resolver.core.audit import cap
from resolver.errors import AuthenticationError, UsageError
from resolver.http.transport import HttpRequest, TransportError, send_request
from resolver.http.url import parse_server_url
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GITLAB_VARIABLE = "RESOLVER_ID_TOKEN"
"""The variable that `id_tokens:` of a job in GitLab fills, by what the documentation says."""

KUBERNETES_FILE = "/var/run/secrets/resolver/token"
"""Where the documentation has a pod's projected token."""

GITHUB_VARIABLES = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""With these any step of a job asks GitHub for a JWT."""

MAX_JWT = 16 * 1024
_COMPACT = re.compile(r"[A-Za-z0-9_.-]+\Z")
COMMAND_SECONDS = 30
_LEEWAY = 60
_PARTS = 3
_OK = 200


class SourceKind(enum.StrEnum):
    """Where an identity comes from."""

    GITHUB = "github"
    ENV = "env"
    FILE = "file"
    COMMAND = "command"


class IdentitySource(Struct, frozen=True):
    """Where an identity comes from.

    Args:
        kind: what is asked or read.
        name: the variable, the file or the command.
    """

    kind: SourceKind
    name: str = ""

    @property
    def holds_jwt(self) -> bool:
        """Whether it is the JWT itself that is in the variables."""
        return self.kind is SourceKind.ENV

    @property
    def variables(self) -> frozenset[str]:
        """The variables that it comes from, which a command that is started does not inherit."""
        match self.kind:
            case SourceKind.ENV:
                return frozenset({self.name})
            case SourceKind.GITHUB:
                return frozenset(GITHUB_VARIABLES)
            case _:
                return frozenset()


def parse_source(text: str) -> IdentitySource:
    """Read where an identity comes from, as `--identity` and RESOLVER_IDENTITY have it.

    Raises:
        UsageError: it is nothing of the kind.
    """
    kind, _, name = text.strip().partition(":")
    match kind, name:
        case "github", "":
            return IdentitySource(SourceKind.GITHUB)
        case "gitlab", "":
            return IdentitySource(SourceKind.ENV, GITLAB_VARIABLE)
        case "kubernetes", "":
            return IdentitySource(SourceKind.FILE, KUBERNETES_FILE)
        case "env", name if name.startswith("CI_JOB_JWT"):
            raise UsageError(
                "CI_JOB_JWT is the same for all servers, and none is to have it",
                hint="have `id_tokens:` of the job make one for this server",
            )
        case (("env" | "file" | "command"), name) if name:
            return IdentitySource(SourceKind(kind), name)
        case _:
            raise UsageError(
                f"{cap(text)!r} is no identity",
                hint="it is github, gitlab, kubernetes, env:NAME, file:PATH or command:WORDS",
            )


def read_jwt(
    source: IdentitySource,
    environ: Mapping[str, str],
    audience: str,
    now: Callable[[], float] = time.time,
) -> str:
    """Ask for an identity, or read it.

    Args:
        source: where it comes from.
        environ: the environment.
        audience: what it has to be for: this client's own setting, never a server's word.
        now: gives the time, in seconds since 1970.

    Raises:
        AuthenticationError: there is none, or not one for this audience and this time.
    """
    match source.kind:
        case SourceKind.GITHUB:
            jwt = _ask_github(environ, audience)
        case SourceKind.ENV:
            jwt = _of_variable(environ, source.name)
        case SourceKind.FILE:
            jwt = _of_file(Path(source.name))
        case SourceKind.COMMAND:
            jwt = _of_command(source.name)
    jwt = jwt.strip()
    _demand_fit(_claims(jwt), audience, now())
    return jwt


def end_of(jwt: str) -> float | None:
    """When a JWT ends, by its own word, in seconds since 1970; None where it does not say so."""
    end = _claims(jwt).get("exp")
    return float(end) if isinstance(end, int | float) else None


def _of_variable(environ: Mapping[str, str], name: str) -> str:
    found = environ.get(name, "")
    if found.strip():
        return found
    lack = "is empty" if name in environ else "is not set"
    raise AuthenticationError(
        f"the variable {name} {lack}, and the identity is to be in it",
        hint=f"GitLab fills it by `id_tokens: {{{name}: {{aud: URL}}}}` of the job",
    )


def _of_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_JWT + 1)
    except (OSError, UnicodeDecodeError) as error:
        named, helps = called("identity file", path, holds_credential=True)
        helps = helps or "in Kubernetes a projected volume with `serviceAccountToken` puts it there"
        raise unreadable(named, path, error, AuthenticationError, hint=helps) from None


def _of_command(command: str) -> str:
    import shlex  # noqa: PLC0415 - few have a command
    import subprocess  # noqa: PLC0415 - as above

    try:
        done = subprocess.run(  # noqa: S603 - running the user's command is the purpose
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        why = f"can't be run: {type(error).__name__}"
    else:
        if done.returncode == 0:
            return done.stdout[: MAX_JWT + 1].decode("ascii", "replace")
        why = f"failed with exit code {done.returncode}"
    raise AuthenticationError(f"the command for the identity {why}")


def _ask_github(environ: Mapping[str, str], audience: str) -> str:
    """Ask GitHub for a JWT (its documentation: security hardening with OpenID Connect)."""
    url, token = (environ.get(name, "") for name in GITHUB_VARIABLES)
    if not url or not token:
        inside = environ.get("GITHUB_ACTIONS") == "true"
        raise AuthenticationError(
            "GitHub gives this job no identity" if inside else "this is no job of GitHub Actions",
            hint="the job needs `permissions: id-token: write`, which pull requests from forks never have",
        )
    parts = urlsplit(url)
    origin = parse_server_url(f"{parts.scheme}://{parts.netloc}", GITHUB_VARIABLES[0])
    query = f"{parts.query}&" if parts.query else ""
    path = f"{parts.path}?{query}audience={quote(audience, safe='')}"
    request = HttpRequest("GET", path, {"Authorization": f"Bearer {token}"})
    try:
        answer = send_request(origin, request, max_bytes=4 * MAX_JWT)
    except TransportError as error:
        raise AuthenticationError(f"GitHub gives no identity: {error.message}", hint=error.hint) from None
    found: Any = None
    if answer.status == _OK:
        try:
            found = parse(answer.body)
        except (ValueError, RecursionError):
            found = None
    if isinstance(found, dict) and isinstance(found.get("value"), str):
        return str(found["value"])
    raise AuthenticationError(
        f"GitHub gives no identity: it answered with status {answer.status}",
        hint="the job needs `permissions: id-token: write`",
    )


def _claims(jwt: str) -> Mapping[str, Any]:
    """What a JWT says, to tell what is wrong with it; nothing of it is believed."""
    parts = jwt.split(".") if len(jwt) <= MAX_JWT else []
    found: Any = None
    if len(parts) == _PARTS and _COMPACT.match(jwt):
        try:
            found = parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (binascii.Error, ValueError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise AuthenticationError(
            "the identity is no JWT",
            hint="it has three parts with dots between them, and no quotes around it",
        )
    return found


def _demand_fit(claims: Mapping[str, Any], audience: str, now: float) -> None:
    found, ends, issued = claims.get("aud"), claims.get("exp"), claims.get("iat")
    if found not in (audience, [audience]):
        raise AuthenticationError(
            f"the identity is for {cap(repr(found))}, and the audience here is {audience!r}",
            hint="have it made for this audience, or name the one that the trust has in RESOLVER_AUDIENCE; "
            "it is sent to no other server",
        )
    if isinstance(ends, int | float) and ends <= now - _LEEWAY:
        raise AuthenticationError(
            f"the identity expired {now - ends:.0f} s ago by this machine's clock",
            hint="it lasts no longer than the job; if this is a new one, set the clock",
        )
    if isinstance(issued, int | float) and issued > now + _LEEWAY:
        raise AuthenticationError(
            f"the identity was made {issued - now:.0f} s from now by this machine's clock",
            hint="set the clock",
        )
