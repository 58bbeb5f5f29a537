"""A root key in the transit engine of OpenBao or HashiCorp Vault, which it never leaves.

The API: https://openbao.org/api-docs/secret/transit/, encrypt and decrypt data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from resolver.errors import DecryptionError, InvalidRequestError, RootKeyError
from resolver.http.transport import TransportError, is_header_text, json_request, send_patiently, tls_context
from resolver.http.url import LOCALHOST, LOOPBACK, parse_url
from resolver.http.vault import vault_headers

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 15.0
MAX_RESPONSE_BYTES = 1 << 20

_PATH = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\Z")
_OK, _BAD_REQUEST = 200, 400
_REFUSED = (401, 403)


class TransitKey:
    """A root key that a transit engine wraps data keys with.

    Its id is made of namespace, mount and name, not of the address: the server may move.

    Args:
        url: the server.
        name: the key's name.
        token: returns the token, and is called when one is needed.
        mount: the path that the engine is mounted at.
        namespace: the namespace; empty for none.
        ca_file: a file with the authorities that sign the server's certificate; else the system's.

    Raises:
        RootKeyError: one of these is malformed, or the connection would not be encrypted.
    """

    def __init__(
        self,
        url: str,
        name: str,
        token: Callable[[], str],
        *,
        mount: str = "transit",
        namespace: str = "",
        ca_file: str | None = None,
    ) -> None:
        try:
            self._url = parse_url(url, "URL of the transit service")
            self._tls = tls_context(authority_file=ca_file) if self._url.is_encrypted else None
        except InvalidRequestError as error:
            raise RootKeyError(f"config.yaml: key_transit: {error.message}", hint=error.hint) from None
        if not self._url.is_encrypted and self._url.host not in (*LOOPBACK, LOCALHOST):
            raise RootKeyError(
                "the transit service is named without TLS, so token and data keys could be read on the way",
                hint="name it with https:; only on loopback http: will do",
            )
        for what, text in (("key", name), ("mount", mount), ("namespace", namespace or "none")):
            if not _PATH.match(text) or ".." in text.split("/"):
                raise RootKeyError(f"config.yaml: key_transit: {what} has characters that are not allowed")
        self._token = token
        self._name = name
        self._mount = mount
        self._namespace = namespace
        identity = f"blueprint-resolver transit key id\0{namespace}\0{mount}\0{name}"
        self.id = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.source = f"transit key {name!r} at {self._url}"

    def __repr__(self) -> str:
        return f"TransitKey(id={self.id!r}, source={self.source!r})"

    def wrap(self, data: bytes) -> str:
        """Encrypt a data key with the engine.

        Raises:
            RootKeyError: the service can't be reached, or refuses.
        """
        status, answer = self._send("encrypt", {"plaintext": base64.b64encode(data).decode("ascii")})
        text = answer.get("ciphertext")
        if status != _OK or not isinstance(text, str) or not text:
            raise self._failed(f"answered with status {status} and no wrapped key")
        return text

    def unwrap(self, token: str) -> bytes:
        """Decrypt a data key with the engine.

        Raises:
            RootKeyError: the service can't be reached, or refuses.
            DecryptionError: the key is not the one that wrapped it, or it was changed.
        """
        status, answer = self._send("decrypt", {"ciphertext": token})
        if status == _BAD_REQUEST:
            raise DecryptionError(
                "a wrapped data key does not decrypt",
                hint="the transit key is not the one that wrapped it, or the database was damaged or changed",
            )
        try:
            return base64.b64decode(answer["plaintext"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise self._failed(f"answered with status {status} and no data key") from None

    def _failed(self, cause: str) -> RootKeyError:
        return RootKeyError(
            f"{self.source} {cause}", hint="check the service, its token and the token's policy"
        )

    def _send(self, action: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Send a request; the status of its response, and the data in it, empty when there is none."""
        token = self._token()
        if not is_header_text(token):
            raise RootKeyError(f"the token for {self.source} is empty or malformed")
        headers = vault_headers(token, self._namespace)
        request = json_request("POST", f"/v1/{self._mount}/{action}/{self._name}", headers, body)
        try:
            response = send_patiently(
                self._url, request, tls=self._tls, timeout=TIMEOUT_SECONDS, max_bytes=MAX_RESPONSE_BYTES
            )
        except TransportError as error:
            raise RootKeyError(f"{self.source}: {error.cause}", hint=error.hint) from None
        if response.status in _REFUSED:
            raise self._failed(f"refused to {action} with status {response.status}")
        try:
            data = json.loads(response.body).get("data")
        except (ValueError, AttributeError, RecursionError):
            data = None
        return response.status, data if isinstance(data, dict) else {}
