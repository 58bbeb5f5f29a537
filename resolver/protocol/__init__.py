"""What a server and its clients agree on: addresses, and how records and errors look as JSON.

Neither knows the other.
"""

OWN_ROUTES = "/api/v1/resolver"
"""Where the routes are that Cloudify has nothing like."""

TOKEN_HEADER = "Authentication-Token"  # noqa: S105 - the header's name
TENANT_HEADER = "Tenant"
