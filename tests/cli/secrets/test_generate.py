"""`resolver secrets generate`: what is made, what is stored with it, and that nothing of it is printed."""

from __future__ import annotations

import json
import re
import string
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

GENERATE = ("secrets", "generate")


def value(admin: Cli, key: str) -> str:
    """The value of a secret."""
    return admin.prints("secrets", "get", key, "--raw")


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ((), r"[!-~]{32}"),
        (("--length", "12", "--symbols", ""), r"[A-Za-z0-9]{12}"),
        (("--kind", "hex"), r"[0-9a-f]{64}"),
        (("--kind", "base64", "--length", "16"), r"[A-Za-z0-9+/]{22}=="),
        (("--kind", "uuid"), r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    ],
)
def test_one_value(admin: Cli, options: tuple[str, ...], form: str) -> None:
    """It has its form, is another one when it is rotated, and is not printed."""
    assert admin.prints(*GENERATE, "k", *options) == "Secret `k` generated, version 1\n"
    first = value(admin, "k")
    assert re.fullmatch(form, first)
    assert admin.refuses(*GENERATE, "k", *options)[0] == 8
    printed = admin.prints(*GENERATE, "k", *options, "--rotate", "--format", "json")
    second = value(admin, "k")
    assert second != first
    assert second not in printed
    assert json.loads(printed)["version"] == 2


def test_a_password_has_one_of_each_class(admin: Cli) -> None:
    """With the symbols that were asked for, and no others."""
    for number in range(5):
        admin.prints(*GENERATE, f"k{number}", "--length", "12", "--symbols", "#")
        text = value(admin, f"k{number}")
        for group in (string.ascii_lowercase, string.ascii_uppercase, string.digits, "#"):
            assert set(text) & set(group)


def test_ssh_pairs_belong_together(admin: Cli, tmp_path: Path) -> None:
    """ssh-keygen reads the private half and finds the public one; both change together."""
    admin.prints(*GENERATE, "id", "--kind", "ssh-ed25519", "--hidden-value")
    first = value(admin, "id.pub")
    assert first.startswith("ssh-ed25519 ")
    assert [one["hidden"] for one in json.loads(admin.prints("secrets", "list", "--format", "json"))] in (
        [True, False],
        [False, True],
    )
    admin.prints(*GENERATE, "id", "--kind", "ssh-ed25519", "--rotate")
    assert value(admin, "id.pub") != first
    path = tmp_path / "id"
    path.touch(0o600)
    path.write_text(value(admin, "id"))
    try:
        done = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("there is no ssh-keygen")
    assert done.stdout.split()[:2] == value(admin, "id.pub").split()[:2]


def test_a_certificate_is_for_its_key_and_ends_with_its_secrets(admin: Cli) -> None:
    """Its names are those that were given, and lists tell when it expires."""
    import ssl  # noqa: PLC0415 - here alone

    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    tls = (*GENERATE, "web", "--kind", "tls", "--host", "a.example", "--host", "*.b.example", "--days", "30")
    admin.prints(*tls)
    certificate = x509.load_pem_x509_certificate(value(admin, "web.crt").encode())
    key = load_pem_private_key(value(admin, "web").encode(), None)
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "*.b.example"]
    ssl.create_default_context(cadata=value(admin, "web.crt"))
    before = {
        one["expires_at"][:10] for one in json.loads(admin.prints("secrets", "list", "--format", "json"))
    }
    assert before == {certificate.not_valid_after_utc.date().isoformat()}
    admin.prints(*tls[:-1], "60", "--rotate")
    after = {
        one["expires_at"][:10] for one in json.loads(admin.prints("secrets", "list", "--format", "json"))
    }
    assert max(before) < min(after)


def test_half_a_pair_is_never_stored(admin: Cli) -> None:
    """Whether the one or the other is there already, or is not there to be rotated."""
    admin.prints("secrets", "create", "id.pub", "-s", "mine")
    pair = (*GENERATE, "id", "--kind", "ssh-ed25519")
    code, said = admin.refuses(*pair)
    assert (code, said.splitlines()[0]) == (8, "error: secret 'id.pub' exists already: nothing is stored")
    code, said = admin.refuses(*pair, "--rotate")
    assert (code, said.splitlines()[0]) == (5, "error: there is no secret 'id' to rotate")
    assert [one["key"] for one in json.loads(admin.prints("secrets", "list", "--format", "json"))] == [
        "id.pub"
    ]
    assert value(admin, "id.pub") == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--length", "5"), "the length of a password value is from 12 to 1024"),
        (("--kind", "hex", "--length", "5000"), "the length of a hex value is from 16 to 4096"),
        (("--symbols", "a"), "symbols are ASCII"),
        (("--symbols", "##"), "symbols are ASCII"),
        (("--kind", "tls"), "a certificate needs a name"),
        (("--kind", "tls", "--host", "a b"), "'a b' is no name of a host"),
        (("--kind", "tls", "--host", "a", "--days", "0"), "a certificate is valid for 1 to 3650 days"),
        (("--rotate", "--hidden-value"), "--hidden-value is for a new secret"),
    ],
)
def test_rules_that_fit_nothing_are_refused(admin: Cli, options: tuple[str, ...], message: str) -> None:
    """Before anything is made."""
    code, said = admin.refuses(*GENERATE, "k", *options)
    assert code == 2
    assert message in said
    assert admin.refuses(*GENERATE, "k" * 256, "--kind", "ssh-ed25519")[0] == 2


def test_who_may_not_is_refused(admin: Cli) -> None:
    """A viewer makes none."""
    viewer = admin.as_user("eve", role="viewer")
    assert viewer.refuses(*GENERATE, "k")[0] == 4
    assert viewer.refuses(*GENERATE, "k", "--kind", "ssh-ed25519")[0] == 4
