"""Works on a server by clients that generators made: run with the Python that has these, as a script.

    python generated_clients.py KIND FOLDER URL TOKEN

It prints what it saw as one JSON object. Nothing of what was generated is edited.
"""

from __future__ import annotations

import json
import sys
from typing import Any

TENANT = "home"
SEEN: dict[str, Any] = {}


def with_python_client(url: str, token: str) -> None:
    """By the client that `openapi-python-client` makes."""
    from made_client import AuthenticatedClient  # type: ignore[import-not-found]  # noqa: PLC0415 - made
    from made_client.api.audit import list_audit_records  # type: ignore[import-not-found]  # noqa: PLC0415
    from made_client.api.secrets_in_full import (  # type: ignore[import-not-found]  # noqa: PLC0415
        create_secret,
        get_secret,
        get_secret_history,
    )
    from made_client.api.use import check_keys, resolve_blueprints, use_secrets  # type: ignore[import-not-found]  # noqa: PLC0415
    from made_client.models import (  # type: ignore[import-not-found]  # noqa: PLC0415
        CheckRequest,
        NewSecret,
        ResolveRequest,
        SentKey,
        UploadedBlueprint,
        UseRequest,
        Visibility,
    )

    client: Any = AuthenticatedClient(url, token, prefix="", auth_header_name="Authentication-Token")
    new = NewSecret(value="by a generated client", visibility=Visibility.PRIVATE)
    SEEN["created"] = create_secret.sync("made", client=client, body=new, tenant=TENANT).visibility.value
    used = use_secrets.sync(client=client, body=UseRequest(TENANT, [SentKey("made")]))
    SEEN["used"] = used.secrets["made"].value
    checked = check_keys.sync(client=client, body=CheckRequest(TENANT, ["made", "other"])).keys
    SEEN["checked"] = [checked[key].refusal and checked[key].refusal.value for key in ("made", "other")]
    wanted = ResolveRequest(tenant=TENANT, blueprints=[UploadedBlueprint("a: {get_secret: made}")])
    SEEN["resolved"] = resolve_blueprints.sync(client=client, body=wanted).text
    history = get_secret_history.sync("made", client=client, tenant=TENANT)
    SEEN["history"] = [one.number for one in history.versions]
    trail = list_audit_records.sync(client=client, tenant=TENANT, size=100)
    SEEN["audited"] = [one["action"] for one in map(_plain, trail.records)]
    SEEN["refused"] = get_secret.sync("none", client=client, tenant=TENANT).kind


def with_generator(url: str, token: str) -> None:
    """By the client that `openapi-generator` makes for Python."""
    import made_client  # type: ignore[import-not-found]  # noqa: PLC0415 - made
    from made_client import models  # noqa: PLC0415

    configuration: Any = made_client.Configuration(host=url, api_key={"token": token})
    with made_client.ApiClient(configuration) as api:
        secrets, use = made_client.SecretsInFullApi(api), made_client.UseApi(api)
        new = models.NewSecret(value="by a generated client", visibility="private")
        SEEN["created"] = secrets.create_secret(TENANT, "made", new).visibility.value
        used = use.use_secrets(models.UseRequest(tenant=TENANT, keys=[models.SentKey(key="made")]))
        SEEN["used"] = used.secrets["made"].value
        checked = use.check_keys(models.CheckRequest(tenant=TENANT, keys=["made", "other"])).keys
        refusals = [checked[key].refusal for key in ("made", "other")]
        SEEN["checked"] = [_plain(one) and _plain(_plain(one)) for one in refusals]
        blueprints = [models.UploadedBlueprint(text="a: {get_secret: made}")]
        wanted = models.ResolveRequest(tenant=TENANT, blueprints=blueprints)
        SEEN["resolved"] = use.resolve_blueprints(wanted).text
        SEEN["history"] = [one.number for one in secrets.get_secret_history(TENANT, "made").versions]
        trail = made_client.AuditApi(api).list_audit_records(tenant=TENANT, size=100)
        SEEN["audited"] = [one["action"] for one in map(_plain, trail.records)]
        try:
            secrets.get_secret(TENANT, "none")
        except made_client.ApiException as error:
            SEEN["refused"] = error.data.kind


def _plain(made: Any) -> Any:  # noqa: ANN401 - of a generated type
    """What a generated record stands for."""
    for name in ("to_dict", "actual_instance", "value"):
        if hasattr(made, name) and not isinstance(made, dict):
            found = getattr(made, name)
            return found() if callable(found) else found
    return made


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    {"python-client": with_python_client, "generator": with_generator}[sys.argv[1]](*sys.argv[3:])
    json.dump(SEEN, sys.stdout)
