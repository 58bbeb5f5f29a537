"""Credentials in blueprints are found by their names, their form and their randomness, and little else is."""

from __future__ import annotations

import pytest

from resolver.blueprint import read
from resolver.blueprint.credentials import Sign, find_credentials
from resolver.dsl.budget import Budget
from resolver.errors import BudgetError
from tests.real_blueprints import BLUEPRINTS, SKIPPED

PEM = "-----BEGIN RSA PRIVATE KEY-----\n  MIIEow\n  -----END RSA PRIVATE KEY-----\n"


def found(text: str) -> list[tuple[str, Sign]]:
    """What is found in a text: the last step of each path, and what it was told by."""
    blueprint = read(text.encode(), "b.yaml")
    return [(str(one.scalar.path[-1]), one.sign) for one in find_credentials(blueprint, Budget())]


@pytest.mark.parametrize(
    "name",
    [
        *("password", "db_password", "DB_PASSWORD", "adminPassword", "MasterUserPassword", "passwd", "pass"),
        *("secret", "client_secret", "clientSecret", "api_key", "apiKey", "secret_key", "secretKey", "token"),
        *("auth_token", "access_key", "private_key", "secret_id", "passphrase", "credentials", "sharedKey"),
        *("password1", "db_password_2", "api_key_1"),
    ],
)
def test_names(name: str) -> None:
    """A value under such a name is a credential, whatever it looks like."""
    assert found(f"a: {{{name}: hunter2}}\n") == [(name, Sign.NAME)]


@pytest.mark.parametrize(
    "text",
    [
        "inputs: {db_password: {type: string, default: hunter2}}",
        "env: [{name: DB_PASSWORD, value: hunter2}]",
        "env: [{value: hunter2, name: DB_PASSWORD}]",
        "a: {key: DB_PASSWORD, value: hunter2}",
        "passwords: [hunter2]",
    ],
)
def test_names_around_a_value(text: str) -> None:
    """The name may stand around the value, or beside it."""
    assert [sign for _, sign in found(text + "\n")] == [Sign.NAME]


@pytest.mark.parametrize(
    "text",
    [
        "token_url: hunter2",
        "password_policy: strict",
        "secret_name: db",
        "key: value",
        "public_key: hunter2",
        "private_key_path: /root/.ssh/id_rsa",
        "private_key: /root/.ssh/id_rsa",
        "private_key: id_rsa.pem",
        "password: ''",
        "password: '{{ password }}'",
        "password: ${PASSWORD}",
        "password: $PASSWORD",
        "password: <your password>",
        "password: '********'",
        "password: true",
        "password: null",
        "password: {get_secret: k}",
        "password: {get_input: x}",
        "password: {concat: [a, {get_secret: k}]}",
        "password: !vault abcdefgh",
        "inputs: {password: {type: string, description: the secret password of the database}}",
        "get_secret: hunter2",
        "a: {$get_secret: hunter2}",
        "url: http://bob@example.com/x",
        "url: http://bob:${PW}@example.com/x",
        "checksum: d41d8cd98f00b204e9800998ecf8427e",
        "image_id: 8c4ad2f1e3b5097766a1b2c3d4e5f60718293a4b",
        "uuid: 123e4567-e89b-42d3-a456-426614174000",
        "word: abcdefghijklmnopqrstuvwxyz",
        "script: scripts/install/database_server_packages.sh",
        "a: !!omap [password: hunter2]",
    ],
)
def test_what_is_none(text: str) -> None:
    """Names of something else, places for what others put in, calls, digests, paths: nothing is found."""
    assert found(text + "\n") == []


@pytest.mark.parametrize(
    "value",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        "https://bob:hunter2@example.com/x.git",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_forms(value: str) -> None:
    """A token is known by its form, under any name."""
    assert found(f"a: {{note: {value}}}\n") == [("note", Sign.FORM)]


def test_keys_and_randomness() -> None:
    """A private key, and a word that looks random."""
    assert found(f"note: |\n  {PEM}") == [("note", Sign.FORM)]
    assert found("note: 9fK2mXq7LpZ4vRt8WcY3bNd6HsJ5gA1eUo0i\n") == [("note", Sign.RANDOMNESS)]
    assert found("note: b7e151628aed2a6abf7158809cf4f3c7\n") == [("note", Sign.RANDOMNESS)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("imports: ['https://bob:hunter2@example.com/x.yaml']\n", "no call is resolved there"),
        ("password: 123456\n", "it is a number, and a secret is text: quote it first"),
    ],
)
def test_what_can_not_become_a_call(text: str, kept: str) -> None:
    """It is found, and stays where it is, with the reason."""
    (one,) = find_credentials(read(text.encode(), "b.yaml"), Budget())
    assert one.kept == kept


def test_no_word_of_a_value() -> None:
    """Neither records nor what they say show anything of a credential."""
    (one,) = find_credentials(read(b"a: {password: hunter2}\n", "b.yaml"), Budget())
    assert "hunter2" not in repr(one) + repr(one.scalar) + one.what


@pytest.mark.skipif(not BLUEPRINTS, reason=SKIPPED)
def test_public_blueprints() -> None:
    """Of the public blueprints of Cloudify's plugins, only passwords are found."""
    names = {
        str(one.scalar.path[-2] if one.scalar.path[-1] == "default" else one.scalar.path[-1])
        for path in BLUEPRINTS
        for one in find_credentials(read(path.read_bytes(), path.name), Budget())
    }
    assert names == {
        "MasterUserPassword",
        "Password",
        "admin_password",
        "password",
        "publishing_password",
        "value",
    }


def test_a_long_text_costs_what_it_is_charged() -> None:
    """Detectors go through a line again and again: they get short ones, and the run pays for each."""
    hostile = "a: [" + ", ".join(["'" + "//" * 8192 + "'"] * 10) + "]\n"
    with pytest.raises(BudgetError):
        find_credentials(read(hostile.encode(), "b.yaml"), Budget(steps=100_000))


@pytest.mark.parametrize("before", [0, 4000, 4090, 10_000])
def test_a_token_in_a_long_line(before: int) -> None:
    """It is found wherever it stands."""
    assert found(f"a: {{x: '{'- ' * (before // 2)}AKIAIOSFODNN7EXAMPLA '}}\n") == [("x", Sign.FORM)]
