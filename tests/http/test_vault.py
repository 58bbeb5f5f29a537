"""The headers of requests to OpenBao and HashiCorp Vault."""

from __future__ import annotations

from resolver.http.vault import vault_headers


def test_a_namespace_is_named_only_if_there_is_one() -> None:
    """An empty header is something else than none."""
    headers = {"X-Vault-Token": "t", "X-Vault-Request": "true"}
    assert vault_headers("t") == headers
    assert vault_headers("t", "ns/one") == {**headers, "X-Vault-Namespace": "ns/one"}
