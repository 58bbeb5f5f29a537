"""Secrets in OpenBao or HashiCorp Vault: a KV version 2 engine.

A secret is a field of the entry at `URL/v1/MOUNT/data/PATH[/options.path]`, as Cloudify's provider of this
type reads it; the field is named by the secret's key, or by the option `key`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.core.model import SecretValue
from resolver.core.providers import Missed, Wanted
from resolver.core.strict_json import read_json
from resolver.errors import ResolverError
from resolver.http.transport import HttpRequest
from resolver.http.url import parse_url
from resolver.providers.parameters import check_certificates, check_header_text, check_names, check_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.http.transport import HttpResponse
    from resolver.providers.requests import Calls


class Vault:
    """The type `vault`.

    Args:
        calls: sends requests to allowed destinations.
    """

    credentials = frozenset({"token"})

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Complete and normalised connection parameters: url, token, path; mount, namespace, ca_cert."""
        check_names("parameter", parameters, {"url", "token", "path"}, {"mount", "namespace", "ca_cert"})
        checked = dict(parameters)
        checked["url"] = str(parse_url(checked["url"], "parameter 'url'"))
        checked["token"] = check_header_text("parameter 'token'", checked["token"])
        checked["path"] = check_path("parameter 'path'", checked["path"])
        checked["mount"] = check_path("parameter 'mount'", checked.get("mount", "secret"))
        if "namespace" in checked:
            checked["namespace"] = check_path("parameter 'namespace'", checked["namespace"])
        if "ca_cert" in checked:
            check_certificates("parameter 'ca_cert'", checked["ca_cert"])
        self._calls.demand_allowed(parse_url(checked["url"]))
        return checked

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """A secret's options: path, key."""
        check_names("provider option", options, optional={"path", "key"})
        checked = dict(options)
        if "path" in checked:
            checked["path"] = check_path("provider option 'path'", checked["path"])
        return checked

    def fetch(
        self,
        parameters: Mapping[str, str],
        wanted: Mapping[str, Wanted],
        hops: int,  # noqa: ARG002 - a Vault asks no one else
    ) -> Mapping[str, SecretValue | Missed]:
        """The values of all that is wanted; entries that hold several are read once."""
        paths = {name: _path(parameters, one.options) for name, one in wanted.items()}
        requests = {path: _request(parameters, path) for path in paths.values()}
        answers = self._calls.all(parse_url(parameters["url"]), requests, parameters.get("ca_cert"))
        entries = {path: _entry(answer) for path, answer in answers.items()}
        return {name: _field(entries[path], wanted[name]) for name, path in paths.items()}

    def test(self, parameters: Mapping[str, str]) -> bool:
        """Whether the token is good there."""
        request = HttpRequest("GET", "/v1/auth/token/lookup-self", _headers(parameters))
        try:
            answer = self._calls.one(parse_url(parameters["url"]), request, parameters.get("ca_cert"))
        except ResolverError:
            return False
        return answer.status == 200  # noqa: PLR2004 - HTTP's OK


def _headers(parameters: Mapping[str, str]) -> dict[str, str]:
    headers = {"X-Vault-Token": parameters["token"], "X-Vault-Request": "true"}
    if "namespace" in parameters:
        headers["X-Vault-Namespace"] = parameters["namespace"]
    return headers


def _path(parameters: Mapping[str, str], options: Mapping[str, str]) -> str:
    below = f"/{options['path']}" if "path" in options else ""
    return f"/v1/{parameters['mount']}/data/{parameters['path']}{below}"


def _request(parameters: Mapping[str, str], path: str) -> HttpRequest:
    return HttpRequest("GET", path, _headers(parameters))


def _entry(answer: HttpResponse | Missed) -> Mapping[str, Any] | Missed:
    """The fields of an entry, from the answer to a read of it."""
    if isinstance(answer, Missed):
        return answer
    match answer.status:
        case 200:
            pass
        case 404:
            return Missed("there is no entry at this path")
        case 401 | 403:
            return Missed("it refused its credentials, or this path")
        case status:
            return Missed(f"it answered with status {status}")
    try:
        fields = read_json(answer.body)["data"]["data"]
    except (ValueError, LookupError, TypeError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) else Missed("its answer is no entry of a KV version 2 engine")


def _field(entry: Mapping[str, Any] | Missed, wanted: Wanted) -> SecretValue | Missed:
    if isinstance(entry, Missed):
        return entry
    value = entry.get(wanted.options.get("key", wanted.key))
    if value is None or value == "":
        return Missed("the entry has no such key")
    return SecretValue(value if isinstance(value, str) else json.dumps(value))
