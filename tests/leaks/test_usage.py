"""Mistyped command lines: what people type in the wrong place is often a value, and is not repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.leaks.conftest import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resolver", "secrets", "create", "k", "VALUE"], "too many arguments were given"),
        (["resolver", "secrets", "create", "k", "VALUE", "VALUE"], "too many arguments were given"),
        (["resolver", "secrets", "update", "k", "VALUE"], "too many arguments were given"),
        (["resolver", "secrets", "create", "k", "-l", "VALUE"], "invalid value for '-l'"),
        (["resolver", "secrets", "create", "k", "--VALUE"], "no such option"),
        (["resolver", "secrets", "create", "k", "--secret=VALUE"], "no such option"),
        (["resolver", "secrets", "create", "k", "--secret-strin=VALUE"], "no such option"),
        (["resolver", "secrets", "create", "k", "-xVALUE"], "no such option"),
        (
            ["resolver", "secrets", "create", "k", "--hidden-value=VALUE"],
            "option '--hidden-value' does not take",
        ),
        (["resolver", "secrets", "get", "k", "--format", "VALUE"], "invalid value for '--format'"),
        (["resolver", "users", "set-password", "eve", "VALUE"], "too many arguments were given"),
        (["resolver", "users", "create", "eve", "-r", "VALUE"], "invalid value for '-r'"),
        (["resolver", "tokens", "create", "--expires", "VALUE"], "the expiry is malformed"),
        (["resolver", "tokens", "create", "--permission", "VALUE"], "invalid value for '--permission'"),
        (["resolver", "init", "VALUE"], "too many arguments were given"),
        (["resolver", "secrets", "create", "k", "-f", "VALUE"], "the file can't be read"),
        (["resolver", "secrets", "create", "k", "-f", "/VALUE"], "the file can't be read"),
        (["resolver", "secrets", "create", "k", "-f", "VALUE/VALUE="], "the file can't be read"),
        (["resolver", "secrets", "create", "k", "-f", "./a\nVALUE"], "the file can't be read"),
        (["resolver", "secrets", "create", "k", "-f", "./VALUE" + 256 * "a"], "the file can't be read"),
        (
            ["resolver", "users", "create", "eve", "--password-file", "VALUE"],
            "the password file can't be read",
        ),
        (
            ["resolver", "secrets", "export", "-o", "x", "--passphrase-file", "VALUE"],
            "the passphrase file can't be read",
        ),
        (["resolve", "b.yaml", "--inputs", "=VALUE"], "an input has no name"),
        (["resolve", "b.yaml", "--format", "VALUE"], "invalid value for '--format'"),
        (["resolve", "b.yaml", "--inpu=VALUE"], "no such option"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_mistyped_value_is_not_repeated(world: World, arguments: list[str], message: str) -> None:
    """A usage error says what was wrong and not what was typed."""
    mark = world.marks.new("typed")
    world.file("b.yaml", "a: 1\n")
    said = world.run(*(word.replace("VALUE", mark) for word in arguments))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {message}")
    assert world.marks.find(said.err) == []


@pytest.mark.parametrize(
    ("arguments", "variable", "code", "message"),
    [
        (["whoami", "--token-file", "VALUE"], "", 4, "the token file can't be read"),
        (["whoami", "--token-file", "ctok-abcdefghij-VALUE"], "", 4, "the token file can't be read"),
        (["whoami"], "RESOLVER_KEY_FILE", 6, "the root key file can't be read"),
        (["tokens", "revoke", "ctok-abcdefghij-VALUE"], "", 5, "token 'abcdefghij' does not exist"),
        (["tokens", "get", "ctok-abcdefghij-VALUE\n"], "", 5, "token 'abcdefghij' does not exist"),
        (["access", "--token", "ctok-abcdefghij-VALUE"], "", 5, "token 'abcdefghij' has no part"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_credential_in_the_place_of_its_file_or_id_is_not_repeated(
    world: World,
    arguments: list[str],
    variable: str,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a file should hold, or a whole token, is easily given for the name: messages are kept in logs."""
    mark = world.marks.new("typed")
    if variable:
        monkeypatch.setenv(variable, mark)
    said = world.run("resolver", *(word.replace("VALUE", mark) for word in arguments))
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(f"error: {message}")
    assert world.marks.find(said.err) == []


def test_what_is_no_value_is_repeated(world: World) -> None:
    """A message names the option that it is about."""
    said = world.run("resolver", "secrets", "create", "k", "-s")
    assert (said.code, said.err.splitlines()[0]) == (2, "error: option '-s' requires an argument")
