"""Exports that the server seals, and imports that it opens."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from resolver.bootstrap.transfer import read_sealed
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import SecretChange
from resolver.crypto.fernet256 import Fernet256
from resolver.transfer import sealed

if TYPE_CHECKING:
    from tests.rest.conftest import Live

pytestmark = pytest.mark.slow

SEAL = "/api/v1/resolver/sealed-export"
OPEN = "/api/v1/resolver/sealed-import"
PASSPHRASE = "correct horse"


@pytest.mark.parametrize("kind", ["sealed", "cloudify"])
def test_out_and_in_again(live: Live, kind: str) -> None:
    """What leaves holds no value in the clear, and comes back with the same passphrase only."""
    world = live.world
    world.secret("one", "the plain value")
    admin = live.client()
    done = admin.does("POST", SEAL, {"passphrase": PASSPHRASE, "format": kind})
    assert (done["count"], done["left_out"], done["elsewhere"]) == (1, 0, 0)
    assert "the plain value" not in done["text"]
    world.service.secrets.delete(world.admin, "home", "one")
    wrong = admin("POST", OPEN, {"text": done["text"], "passphrase": "wrong horse"})
    assert "passphrase" in wrong.text
    assert world.service.secrets.list(world.admin, "home").total == 0
    assert admin.does("POST", OPEN, {"text": done["text"], "passphrase": PASSPHRASE}) == {
        "stored": 1,
        "unchanged": 0,
        "colliding": {},
        "errors": {},
        "compared": {},
    }
    assert world.service.secrets.show(world.admin, "home", "one")[1] == SecretValue("the plain value")


def test_earlier_versions(live: Live) -> None:
    """They leave when they are asked for, in the sealed format."""
    live.world.secret("one")
    live.world.service.secrets.update(live.world.admin, "home", "one", SecretChange(value=SecretValue("two")))
    admin = live.client()
    for wanted, count in ((False, 1), (True, 2)):
        text = admin.does("POST", SEAL, {"passphrase": PASSPHRASE, "all_versions": wanted})["text"]
        (entry,) = read_sealed(json.loads(text), PASSPHRASE)
        assert len(entry.versions) == count


def test_what_is_refused(live: Live) -> None:
    """Short passphrases, files that are none, a missing passphrase, and whoever may not."""
    live.world.secret("one", hidden=True)
    admin = live.client()
    assert admin.refused("POST", SEAL, {"passphrase": "short"})[2].startswith("the passphrase is too short")
    assert admin.refused("POST", SEAL, {})[2] == "Missing passphrase in json request body"
    for text, message in (
        ("{", "the file is not JSON"),
        ("{}", "the file is no export of secrets"),
        ('{"format": "blueprint-resolver secrets/1"}', "the file is sealed, and no passphrase was given"),
    ):
        assert admin.refused("POST", OPEN, {"text": text})[2] == message
    user = live.user("una", TenantRole.USER)
    done = user.does("POST", SEAL, {"passphrase": PASSPHRASE})
    assert (done["count"], done["left_out"]) == (0, 1)
    for name, role in (("opal", TenantRole.OPERATIONS), ("vic", TenantRole.VIEWER), ("eve", None)):
        other = live.user(name, role)
        assert other.refused("POST", SEAL, {"passphrase": PASSPHRASE})[0] == 403
        assert other.refused("POST", OPEN, {"text": "{"})[0] == 403


def test_a_file_that_would_cost_much_is_not_opened(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file names what its key costs: the server pays for what this program makes, and no more."""
    live.world.secret("one")
    admin = live.client()
    data: dict[str, Any] = json.loads(admin.does("POST", SEAL, {"passphrase": PASSPHRASE})["text"])
    data["kdf"]["memory"] *= 2
    monkeypatch.setattr("resolver.crypto.passphrase.hash_secret_raw", None)
    refused = admin.refused("POST", OPEN, {"text": json.dumps(data), "passphrase": PASSPHRASE})
    assert refused[2] == "the file is not one that this program seals, or was damaged"


def test_nobody_who_logs_in_waits_for_files(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of all secrets take long, and wait for one another; passwords are checked meanwhile."""
    live.world.secret("one")
    admin, write, begun, go_on = live.client(), sealed.write, threading.Semaphore(0), threading.Event()

    def slow(*arguments: Any) -> Any:  # noqa: ANN401 - as the one that it stands for
        begun.release()
        go_on.wait(20)
        return write(*arguments)

    monkeypatch.setattr("resolver.transfer.sealed.write", slow)
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(admin, "POST", SEAL, {"passphrase": PASSPHRASE}) for _ in range(3)]
        try:
            assert all(begun.acquire(timeout=200) for _ in range(2))
            login = {"username": "admin", "password": "admin password"}
            assert live.http.post("/api/v1/resolver/session", json=login).status_code == 200
            assert not begun.acquire(timeout=0.05)
        finally:
            go_on.set()
        assert [one.result().status_code for one in asked] == [200] * 3


def test_no_key_is_computed_for_who_may_not(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission is decided first."""
    viewer = live.user("vic", TenantRole.VIEWER)
    monkeypatch.setattr("resolver.crypto.passphrase.hash_secret_raw", None)
    monkeypatch.setattr(Fernet256, "__init__", None)
    assert viewer.refused("POST", SEAL, {"passphrase": PASSPHRASE})[0] == 403
    text = '{"format": "blueprint-resolver secrets/1"}'
    assert viewer.refused("POST", OPEN, {"text": text, "passphrase": PASSPHRASE})[0] == 403
