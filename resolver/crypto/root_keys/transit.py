"""A root key in the transit engine of OpenBao or HashiCorp Vault: it wraps there and never leaves it.

The API: https://openbao.org/api-docs/secret/transit/, encrypt and decrypt data.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from resolver.errors import DecryptionError, InvalidRequestError, RootKeyError
from resolver.http.transport import HttpRequest, TransportError, send_request, tls_context
from resolver.http.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 15.0
MAX_ANSWER_BYTES = 1 << 20

_PATH = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\Z")
_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OK, _BAD_REQUEST = 200, 400
_REFUSED = (401, 403)


class TransitKey:
    """A key that wraps data keys elsewhere.

    Its id is made of namespace, mount and name, not of the address: the server may move.

    Args:
        url: the server.
        name: the key's name.
        token: gives the token, once it is needed.
        mount: where the engine is.
        namespace: the namespace; empty for none.
        ca_file: the authorities that the server's certificate is checked against; the system's when None.

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
            self._origin = parse_url(url, "URL of the transit service")
            self._tls = tls_context(authority_file=ca_file) if self._origin.scheme == "https" else None
        except InvalidRequestError as error:
            raise RootKeyError(f"config.yaml: key_transit: {error.message}", hint=error.hint) from None
        if self._origin.scheme != "https" and self._origin.host not in _LOOPBACK:
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
        about = f"blueprint-resolver transit key id\0{namespace}\0{mount}\0{name}"
        self.id = hashlib.sha256(about.encode()).hexdigest()[:16]
        self.source = f"transit key {name!r} at {self._origin}"

    def __repr__(self) -> str:
        return f"TransitKey(id={self.id!r}, source={self.source!r})"

    def wrap(self, data: bytes) -> str:
        """Have a data key encrypted.

        Raises:
            RootKeyError: the service can't be reached, or refuses.
        """
        status, answer = self._ask("encrypt", {"plaintext": base64.b64encode(data).decode("ascii")})
        text = answer.get("ciphertext")
        if status != _OK or not isinstance(text, str) or not text:
            raise self._failed(f"answered with status {status} and no wrapped key")
        return text

    def unwrap(self, token: str) -> bytes:
        """Have a data key decrypted.

        Raises:
            RootKeyError: the service can't be reached, or refuses.
            DecryptionError: the key is not the one that wrapped it, or it was changed.
        """
        status, answer = self._ask("decrypt", {"ciphertext": token})
        if status == _BAD_REQUEST:
            raise DecryptionError(
                "a wrapped data key does not decrypt",
                hint="the transit key is not the one that wrapped it, or the database was damaged or changed",
            )
        try:
            return base64.b64decode(answer["plaintext"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise self._failed(f"answered with status {status} and no data key") from None

    def _failed(self, cause: str) -> RootKeyError:
        return RootKeyError(
            f"{self.source} {cause}", hint="check the service, its token and the token's policy"
        )

    def _ask(self, action: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        token = self._token()
        if not _TOKEN.match(token):
            raise RootKeyError(f"the token for {self.source} is empty or malformed")
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true", "Content-Type": "application/json"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        request = HttpRequest(
            "POST", f"/v1/{self._mount}/{action}/{self._name}", headers, json.dumps(body).encode("ascii")
        )
        try:
            answer = send_request(
                self._origin, request, tls=self._tls, timeout=TIMEOUT_SECONDS, max_bytes=MAX_ANSWER_BYTES
            )
        except TransportError as error:
            raise RootKeyError(f"{self.source}: {error.cause}", hint=error.hint) from None
        if answer.status in _REFUSED:
            raise self._failed(f"refused to {action} with status {answer.status}")
        try:
            data = json.loads(answer.body).get("data")
        except (ValueError, AttributeError, RecursionError):
            data = None
        return answer.status, data if isinstance(data, dict) else {}
