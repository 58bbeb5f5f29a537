"""What requests to OpenBao and HashiCorp Vault have in common."""

from __future__ import annotations


def vault_headers(token: str, namespace: str = "") -> dict[str, str]:
    """The headers of a request.

    Args:
        token: the token that it is sent with.
        namespace: the namespace; empty for none.
    """
    headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
    return headers | ({"X-Vault-Namespace": namespace} if namespace else {})
