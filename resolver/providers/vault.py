"""Provider type `vault`: secrets in a KV version 2 engine of OpenBao or HashiCorp Vault.

A secret is a field of the entry at `URL/v1/MOUNT/data/PATH[/options.path]`, as Cloudify's provider of this
type reads it; the field is named by the secret's key, or by the option `key`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.core.model import SecretValue
from resolver.core.providers import NO_VALUE, FetchFailure, ProviderRequest
from resolver.http.transport import HttpRequest
from resolver.http.url import parse_url
from resolver.http.vault import vault_headers
from resolver.providers.parameters import check_certificates, check_header_text, check_names, check_path
from resolver.providers.requests import read_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.http.transport import HttpResponse
    from resolver.providers.requests import RequestSender


class Vault:
    """The provider type `vault`.

    Args:
        sender: sends requests to allowed destinations.
    """

    credentials = frozenset({"token"})

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Check, complete and normalise connection parameters.

        These are url, token and path; mount, namespace and ca_cert (PEM text) may be given.
        """
        check_names("parameter", parameters, {"url", "token", "path"}, {"mount", "namespace", "ca_cert"})
        checked = dict(parameters)
        checked["url"] = str(parse_url(checked["url"], "parameter 'url'"))
        check_header_text("parameter 'token'", checked["token"])
        checked["path"] = check_path("parameter 'path'", checked["path"])
        checked["mount"] = check_path("parameter 'mount'", checked.get("mount", "secret"))
        if "namespace" in checked:
            checked["namespace"] = check_path("parameter 'namespace'", checked["namespace"])
        if "ca_cert" in checked:
            check_certificates("parameter 'ca_cert'", checked["ca_cert"])
        self._sender.check_allowed(parse_url(checked["url"]))
        return checked

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """Check a secret's options: path, key."""
        check_names("provider option", options, optional={"path", "key"})
        checked = dict(options)
        if "path" in checked:
            checked["path"] = check_path("provider option 'path'", checked["path"])
        return checked

    def fetch(
        self,
        parameters: Mapping[str, str],
        wanted: Mapping[str, ProviderRequest],
        forwards: int,  # noqa: ARG002 - a Vault forwards nothing
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """Fetch all wanted secrets; an entry that holds several is read once."""
        paths = {name: _path(parameters, one.options) for name, one in wanted.items()}
        headers = _headers(parameters)
        requests = {path: HttpRequest("GET", path, headers) for path in paths.values()}
        responses = self._sender.send_all(parse_url(parameters["url"]), requests, parameters.get("ca_cert"))
        entries = {path: _entry(response) for path, response in responses.items()}
        return {name: _field(entries[path], wanted[name]) for name, path in paths.items()}

    def path_of(self, wanted: ProviderRequest) -> str:
        """The option `path` and the name of the field, with a slash between."""
        field = wanted.options.get("key", wanted.key)
        return f"{wanted.options['path']}/{field}" if "path" in wanted.options else field

    def test(self, parameters: Mapping[str, str]) -> bool:
        """Whether the server accepts the token."""
        request = HttpRequest("GET", "/v1/auth/token/lookup-self", _headers(parameters))
        return self._sender.succeeds(parse_url(parameters["url"]), request, parameters.get("ca_cert"))


def _headers(parameters: Mapping[str, str]) -> dict[str, str]:
    return vault_headers(parameters["token"], parameters.get("namespace", ""))


def _path(parameters: Mapping[str, str], options: Mapping[str, str]) -> str:
    below = f"/{options['path']}" if "path" in options else ""
    return f"/v1/{parameters['mount']}/data/{parameters['path']}{below}"


def _entry(response: HttpResponse | FetchFailure) -> Mapping[str, Any] | FetchFailure:
    return read_response(
        response,
        _fields,
        not_found="there is no entry at this path",
        refused="it refused its credentials, or this path",
        malformed="its answer is no entry of a KV version 2 engine",
    )


def _fields(data: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON data
    fields = data["data"]["data"]
    if not isinstance(fields, dict):
        raise TypeError("an entry's fields are a mapping")
    return fields


def _field(entry: Mapping[str, Any] | FetchFailure, wanted: ProviderRequest) -> SecretValue | FetchFailure:
    if isinstance(entry, FetchFailure):
        return entry
    name = wanted.options.get("key", wanted.key)
    if name not in entry:
        return FetchFailure("the entry has no such key", is_missing=True)
    value = entry[name]
    if value is None or value == "":
        return FetchFailure(NO_VALUE[value], is_missing=True)
    return SecretValue(value if isinstance(value, str) else json.dumps(value))
