"""Provider type `cloudify`: secrets of a Cloudify Manager, or of another server of this program."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from resolver.core.model import SecretValue, check_key
from resolver.core.providers import FORWARDS_HEADER, MAX_FORWARDS, NO_VALUE, FetchFailure, ProviderRequest
from resolver.errors import InvalidRequestError
from resolver.http.transport import HttpRequest
from resolver.http.url import DEFAULT_PORTS, Scheme, Url, parse_url
from resolver.providers.parameters import check_certificates, check_header_text, check_names
from resolver.providers.requests import read_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.http.transport import HttpResponse
    from resolver.providers.requests import RequestSender

_LOGIN = {"username", "password"}
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
_LAST_PORT = 65535

_NOT_A_HOST = "parameter 'host' must be a host alone"
_HOST_HINT = "a name or an address; 'protocol' and 'port' are parameters of their own"


class Cloudify:
    """The provider type `cloudify`.

    Args:
        sender: sends requests to allowed destinations.
    """

    credentials = frozenset({"username", "password", "token"})

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Check, complete and normalise connection parameters.

        These are host, tenant, and either username and password or token; protocol, port and cert (PEM text)
        may be given.
        """
        check_names(
            "parameter", parameters, {"host", "tenant"}, {*_LOGIN, "token", "protocol", "port", "cert"}
        )
        checked = {"protocol": "https", **parameters}
        given = self.credentials & checked.keys()
        if given not in ({"token"}, _LOGIN):
            raise InvalidRequestError("give either the parameters 'username' and 'password', or 'token'")
        if checked["protocol"] not in set(Scheme):
            raise InvalidRequestError("parameter 'protocol' must be http or https")
        checked.setdefault("port", str(DEFAULT_PORTS[Scheme(checked["protocol"])]))
        if not _PORT.match(checked["port"]) or int(checked["port"]) > _LAST_PORT:
            raise InvalidRequestError("parameter 'port' must be a number up to 65535")
        if "token" in checked:
            check_header_text("parameter 'token'", checked["token"])
        elif ":" in checked["username"]:
            raise InvalidRequestError("parameter 'username' must not have a colon")
        check_key(checked["tenant"], "tenant name")
        url = _url(checked)
        checked["host"] = url.host
        if "cert" in checked:
            check_certificates("parameter 'cert'", checked["cert"])
        self._sender.check_allowed(url)
        return checked

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """Check a secret's options: name."""
        check_names("provider option", options, optional={"name"})
        if "name" in options:
            check_key(options["name"], "provider option 'name'")
        return dict(options)

    def fetch(
        self, parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest], forwards: int
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """Fetch all wanted secrets; one that is wanted under several names is read once."""
        if forwards >= MAX_FORWARDS:
            return dict.fromkeys(
                wanted, FetchFailure(f"the request came through {MAX_FORWARDS} managers already")
            )
        names = {name: one.options.get("name", one.key) for name, one in wanted.items()}
        headers = _headers(parameters) | {FORWARDS_HEADER: str(forwards + 1)}
        requests = {
            remote_name: HttpRequest("GET", f"/api/v3.1/secrets/{quote(remote_name, safe='')}", headers)
            for remote_name in names.values()
        }
        responses = self._sender.send_all(_url(parameters), requests, parameters.get("cert"))
        return {name: _value(responses[remote_name]) for name, remote_name in names.items()}

    def path_of(self, wanted: ProviderRequest) -> str:
        """The secret's name there."""
        return wanted.options.get("name", wanted.key)

    def test(self, parameters: Mapping[str, str]) -> bool:
        """Whether the manager accepts the credentials for the tenant."""
        request = HttpRequest("GET", "/api/v3.1/secrets?_size=1", _headers(parameters))
        return self._sender.succeeds(_url(parameters), request, parameters.get("cert"))


def _url(parameters: Mapping[str, str]) -> Url:
    host = parameters["host"]
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    try:
        url = parse_url(f"{parameters['protocol']}://{shown}:{parameters['port']}")
    except InvalidRequestError:
        raise InvalidRequestError(_NOT_A_HOST, hint=_HOST_HINT) from None
    if url.prefix or url.port != int(parameters["port"]):
        raise InvalidRequestError(_NOT_A_HOST, hint=_HOST_HINT)
    return url


def _headers(parameters: Mapping[str, str]) -> dict[str, str]:
    headers = {"Tenant": parameters["tenant"], "Content-Type": "application/json"}
    if "token" in parameters:
        return headers | {"Authentication-Token": parameters["token"]}
    login = f"{parameters['username']}:{parameters['password']}".encode()
    return headers | {"Authorization": f"Basic {base64.b64encode(login).decode('ascii')}"}


def _value(response: HttpResponse | FetchFailure) -> SecretValue | FetchFailure:
    return read_response(
        response,
        _stored_value,
        not_found="it has no such secret",
        refused="it refused its credentials, or the use of this secret",
        malformed="its answer is no secret",
    )


def _stored_value(fields: Mapping[str, Any]) -> SecretValue | FetchFailure:
    """The value of a secret, as the manager stores it."""
    value = fields["value"]
    if value == "" and fields.get("is_hidden_value", False):
        return FetchFailure("the value is hidden from its credentials")
    if fields.get("schema"):  # then the answer has the parsed value, and a text is JSON, too
        return SecretValue(json.dumps(value))
    if value is None or value == "":
        return FetchFailure(NO_VALUE[value], is_missing=True)
    return SecretValue(value if isinstance(value, str) else json.dumps(value))
