"""Values for the keys that the blueprints in `sample_blueprints/` ask for; none of them opens anything.

`resolver init --sample` stores them, so that a fresh installation has something to resolve.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def _pem(label: str, body: str) -> str:
    """A block in the shape of a PEM file; the body is no base64, so that nothing can load it."""
    lines = "\n".join(f"not-a-real-{body}-line-{number}" for number in range(1, 5))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


SAMPLE_SECRETS: Mapping[str, str] = MappingProxyType(
    {
        "agent_private_key": _pem("RSA PRIVATE KEY", "agent-key"),
        "agent_public_key": "ssh-rsa not-a-real-public-key deploy@internal.example",
        "balancer_token": "not-a-real-balancer-token",
        "cloud_access_key_id": "not-a-real-access-key-id",
        "cloud_region": "not-a-real-region",
        "cloud_secret_access_key": "not-a-real-secret-access-key",
        "db_config": json.dumps(
            {
                "user": "shop",
                "password": "not-a-real-cluster-password",
                "tls": {"required": True},
                "hosts": [
                    {"name": "db-0.internal.example", "port": 5432},
                    {"name": "db-1.internal.example", "port": 5433},
                ],
            },
        ),
        "db_password": "not-a-real-password",
        "db_password_production": "not-a-real-production-password",
        "db_password_staging": "not-a-real-staging-password",
        "partner_api": json.dumps(
            {"url": "https://partner.example/api", "token": "not-a-real-partner-token"},
        ),
        "queue_password_live": "not-a-real-live-queue-password",
        "queue_password_test": "not-a-real-test-queue-password",
        "registry_login": json.dumps({"user": "shop", "password": "not-a-real-registry-password"}),
        "session_key": "not-a-real-session-key",
        "tls_certificate": _pem("CERTIFICATE", "certificate"),
        "tls_private_key": _pem("PRIVATE KEY", "tls-key"),
    },
)
"""The value of each secret that a sample blueprint asks for, by its key. All fakes."""
