"""What is said and raised when something goes wrong: every kind of error, and no value in any of them."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import resolver.errors
from resolver.blueprint import to_json
from resolver.blueprint.inputs import parse_inputs
from resolver.core.account_changes import NewPassword, NewUser
from resolver.core.model import SecretValue, Visibility
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.dsl.problems import ONLY_WARNINGS, Reason
from resolver.dsl.reasons import ONLY_LINT
from resolver.errors import BlueprintError, ResolverError
from tests.conftest import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.leaks.conftest import World

pytestmark = pytest.mark.slow

ELSEWHERE = {
    *("BlueprintError", "BudgetError", "SinkRefusedError", "PluginError", "NotAtProviderError"),
    "StoppedError",
}
"""A list of problems is raised by every case of a reason, once as a class of its own;
sinks, plugins, providers that answer and servers that stop have tests of their own."""

ABSTRACT = {"ResolverError", "AccessError", "UnavailableError", "TokenError"}
"""Classes that only others are derived from, or that only a lacking platform raises."""


@dataclass
class Case:
    """A way to make something go wrong.

    Args:
        provoke: prepares the world with marks, and gives the command line.
        error: the class's name, or the reason.
        code: the exit code.
        call: the same through the Python interface; None for resolving the command's blueprint.
    """

    provoke: Callable[[World], list[str]]
    error: str
    code: int
    call: Callable[[World], object] | None = None


def _resolve(world: World, text: str | bytes, *options: str) -> list[str]:
    return ["resolve", world.file("b.yaml", text), "-t", TENANT, *options]


def _statement(world: World, statement: str, *values: object) -> None:
    connection = sqlite3.connect(world.home / "data" / "resolver.db")
    with connection:
        connection.execute(statement, values)
    connection.close()


# One function for each way; the name says what goes wrong


def not_utf8(world: World) -> list[str]:
    """The blueprint and an inputs file are no text."""
    inputs = world.file("inputs.yaml", b"note: " + world.marks.new("input").encode() + b"\xff\n")
    return _resolve(world, "a: { get_secret: k }\n", "-i", inputs)


def blueprint_not_utf8(world: World) -> list[str]:
    """The blueprint is no text."""
    world.secret("k", world.marks.new("value"))
    return _resolve(world, b"a: { get_secret: k }\nb: \xff\n", "-i", f"x={world.marks.new('input')}")


def _with_text(text: str) -> Callable[[World], list[str]]:
    def provoke(world: World) -> list[str]:
        world.secret("k", world.marks.new("value"))
        world.secret("j", json.dumps({"a": {world.marks.new("key within"): world.marks.new("leaf")}}))
        inputs = world.file("inputs.yaml", json.dumps({"note": world.marks.new("input")}))
        return _resolve(world, text, "-i", inputs)

    return provoke


def input_refused(world: World) -> list[str]:
    """An inputs file is no YAML, in a line that holds a value."""
    world.secret("k", world.marks.new("value"))
    mark = world.marks.new("input")
    inputs = world.file("inputs.yaml", f"note: {mark}\nnote: {mark}\n? [{mark}]\nx: !!int {mark}\n")
    return _resolve(world, "a: { get_secret: k }\n", "-i", inputs)


def input_syntax(world: World) -> list[str]:
    """An input on the command line is no YAML."""
    world.secret("k", world.marks.new("value"))
    return _resolve(world, "a: { get_secret: k }\n", "-i", f"note:=[{world.marks.new('input')}")


NOTE = "inputs: { note: {} }\n"
"""Declares the input: what is given for one that is not is not known as a whole."""


def input_step(world: World) -> list[str]:
    """A path leads nowhere in an input's value."""
    inputs = ["-i", f"note:={{{world.marks.new('key within')}: {world.marks.new('input')}}}"]
    return _resolve(world, NOTE + "a: { get_secret: { get_input: [note, nowhere] } }\n", *inputs)


def input_is_no_key(world: World) -> list[str]:
    """An input that names a secret holds something that is no key."""
    given = f"note={world.marks.new('input')} with blanks"
    return _resolve(world, "a: { get_secret: { get_input: note } }\n", "-i", given)


def input_is_no_text(world: World) -> list[str]:
    """An input that names a secret holds a mapping."""
    given = f"note:={{{world.marks.new('key within')}: {world.marks.new('input')}}}"
    return _resolve(world, NOTE + "a: { get_secret: { get_input: note } }\n", "-i", given)


def input_is_a_step(world: World) -> list[str]:
    """A step that an input gives leads nowhere."""
    world.secret("j", json.dumps({"a": world.marks.new("leaf")}))
    given = f"note={world.marks.new('input')}"
    return _resolve(world, "a: { get_secret: [j, { get_input: note }] }\n", "-i", given)


def key_from_input_not_found(world: World) -> list[str]:
    """A key that an input gives does not exist."""
    given = f"note={world.marks.new('input')}"
    return _resolve(world, "a: { get_secret: { get_input: note } }\n", "-i", given)


def input_holds_a_malformed_call(world: World) -> list[str]:
    """An input's value has the look of a call, with other keys beside it."""
    given = f"note:={{get_secret: k, {world.marks.new('input')}: 1}}"
    return _resolve(world, NOTE + "a: { get_secret: { get_input: note } }\n", "-i", given)


def input_holds_a_call(world: World) -> list[str]:
    """An input's value is a call with a key that does not exist."""
    given = f"note:={{get_secret: {world.marks.new('input')}}}"
    return _resolve(world, "a: { get_secret: { get_input: note } }\n", "-i", given)


def input_holds_a_bad_call(world: World) -> list[str]:
    """An input's value is a call of an input with a name that is not declared."""
    given = f"note:={{get_input: {world.marks.new('input')}}}"
    return _resolve(world, "a: { get_secret: { get_input: note } }\n", "-i", given)


def computed_key_not_found(world: World) -> list[str]:
    """A key that a secret's value gives does not exist."""
    world.secret("which", world.marks.new("which"))
    return _resolve(world, "a: { get_secret: { get_secret: which } }\n")


def computed_key_is_no_key(world: World) -> list[str]:
    """A secret's value that is taken for a key is none."""
    world.secret("which", f"{world.marks.new('which')} is no key")
    return _resolve(world, "a: { get_secret: { get_secret: which } }\n")


def computed_step(world: World) -> list[str]:
    """A step that a secret's value gives leads nowhere."""
    world.secret("which", world.marks.new("which"))
    world.secret("j", json.dumps({world.marks.new("key within"): world.marks.new("leaf")}))
    return _resolve(world, "a: { get_secret: [j, { get_secret: which }] }\n")


def computed_input(world: World) -> list[str]:
    """An input whose name a secret's value gives is not declared."""
    world.secret("which", world.marks.new("which"))
    return _resolve(world, "a: { get_secret: { get_input: { get_secret: which } } }\n")


def computed_key_not_json(world: World) -> list[str]:
    """The value under a key that a secret's value gives is not JSON."""
    world.secret("which", target := world.marks.new("which"))
    world.secret(target, world.marks.new("value"))
    return _resolve(world, "a: { get_secret: [{ get_secret: which }, b] }\n")


def computed_key_unreadable(world: World) -> list[str]:
    """The value under a key that a secret's value gives does not decrypt."""
    world.secret("which", target := world.marks.new("which"))
    world.secret(target, world.marks.new("value"))
    _break_token(world, target)
    return _resolve(world, "a: { get_secret: { get_secret: which } }\n")


def computed_key_misplaced(world: World) -> list[str]:
    """The value under a key that a secret's value gives belongs elsewhere."""
    world.secret("which", target := world.marks.new("which"))
    world.secret(target, world.marks.new("value"))
    _move_token(world, "which", target)
    return _resolve(world, "a: { get_secret: { get_secret: which } }\n")


def value_holds_a_call(world: World) -> list[str]:
    """What a path takes out of a secret would be a call."""
    held = {"get_secret": world.marks.new("leaf")}
    world.secret("j", json.dumps({"a": {world.marks.new("key within"): held}}))
    return _resolve(world, "a: { get_secret: [j, a] }\n")


def value_is_half_a_character(world: World) -> list[str]:
    """What a path takes out of a secret can't be written as YAML."""
    held = {world.marks.new("key within"): "\ud800" + world.marks.new("leaf")}
    world.secret("j", json.dumps({"a": held}))
    return _resolve(world, "a: { get_secret: [j, a] }\n")


def value_is_no_number(world: World) -> list[str]:
    """What a path takes out of a secret can't be written as JSON."""
    held = {world.marks.new("key within"): float("nan"), "b": world.marks.new("leaf")}
    world.secret("j", json.dumps({"a": held}))
    return _resolve(world, "a: { get_secret: [j, a] }\n", "--format", "json")


def value_is_too_deep(world: World) -> list[str]:
    """What a path takes out of a secret has too many levels to be written."""
    levels = 150
    world.secret("j", f'{{"a": {"[" * levels}"{world.marks.new("leaf")}"{"]" * levels}}}')
    return _resolve(world, "a: { get_secret: [j, a] }\n")


def _with_context(text: str, rest: str = "") -> Callable[[World], list[str]]:
    def context(world: World) -> list[str]:
        world.secret("j", json.dumps({"a": world.marks.new("leaf")}))
        fact = world.marks.new("fact")
        facts = f"attributes: {{vm: {{ip: {fact}, more: {{{world.marks.new('key within')}: 1}}}}}}\n{rest}"
        return _resolve(
            world, text, "-c", world.file("context.yaml", facts.replace("FACT", fact)), "--evaluate"
        )

    return context


def import_holds_calls(world: World) -> list[str]:
    """An imported file holds a call."""
    world.secret("k", world.marks.new("value"))
    world.file("types.yaml", "a: { get_secret: k }\n")
    return _resolve(world, "imports: [types.yaml]\nb: { get_secret: k }\n")


def not_found(world: World) -> list[str]:
    """One of two secrets does not exist."""
    world.secret("k", world.marks.new("value"))
    return _resolve(world, "a: { get_secret: k }\nb: { get_secret: absent }\n")


def not_permitted(world: World) -> list[str]:
    """A token that is narrowed to other keys."""
    world.secret("k", world.marks.new("value"))
    made = world.run("resolver", "tokens", "create", "--quiet", "--key", "x*")
    token = made.out.strip()
    world.marks.know("token", token.rpartition("-")[2])
    return _resolve(world, "a: { get_secret: k }\n", "--token-file", world.file("token", token))


def _protect(world: World) -> None:
    world.secret("k", world.marks.new("value"))
    assert world.run("resolver", "secrets", "update", "k", "-t", TENANT, "--protected").code == 0


def protected(world: World) -> list[str]:
    """Nobody has approved the use of a protected secret."""
    _protect(world)
    return _resolve(world, "a: { get_secret: k }\n")


def protected_and_shown(world: World) -> list[str]:
    """A protected value is asked for alone."""
    _protect(world)
    return ["resolver", "secrets", "get", "k", "-t", TENANT, "--raw"]


def store_is_away(world: World) -> list[str]:
    """The database can't be read, and the blueprint has a problem of its own."""
    world.secret("k", world.marks.new("value"))
    _statement(world, "ALTER TABLE secret_version RENAME TO moved")
    return _resolve(world, "a: { get_secret: k }\nb: { get_secret: 5 }\n")


def two_sources(world: World) -> list[str]:
    """Two values are given."""
    value = world.file("value", world.marks.new("file"))
    return ["resolver", "secrets", "create", "k", "-s", world.marks.new("-s"), "-f", value]


def value_too_large(world: World) -> list[str]:
    """A value breaks the rule for its size."""
    value = world.file("value", world.marks.new("file") + "x" * (1 << 20))
    return ["resolver", "secrets", "create", "k", "-f", value]


def value_no_text(world: World) -> list[str]:
    """A value is no text."""
    return ["resolver", "secrets", "create", "k", "-s", world.marks.new("-s") + "\udcff"]


def key_taken(world: World) -> list[str]:
    """A secret exists already."""
    world.secret("k", world.marks.new("value"))
    return ["resolver", "secrets", "create", "k", "-s", world.marks.new("-s")]


def narrowed_visibility(world: World) -> list[str]:
    """A secret that gets a value is to be known to fewer."""
    world.secret("k", world.marks.new("value"))
    return ["resolver", "secrets", "update", "k", "-s", world.marks.new("-s"), "-l", "private"]


def schema_mismatch(world: World) -> list[str]:
    """A value does not keep to its schema."""
    value = json.dumps(world.marks.new("-s"))
    return ["resolver", "secrets", "create", "k", "-s", value, "--schema", '{"type": "integer"}']


def global_from_elsewhere(world: World) -> list[str]:
    """A global secret is to be changed from another tenant."""
    world.secret("k", world.marks.new("value"))
    assert world.run("resolver", "secrets", "set-visibility", "k", "-l", "global").code == 0
    assert world.run("resolver", "tenants", "create", "other").code == 0
    return ["resolver", "secrets", "update", "k", "-t", "other", "-s", world.marks.new("-s")]


def tenant_absent(world: World) -> list[str]:
    """A value is to go into a tenant that there is not."""
    return ["resolver", "secrets", "create", "k", "-t", "nowhere", "-s", world.marks.new("-s")]


def owner_absent(world: World) -> list[str]:
    """A secret is to be given to a user that there is not."""
    world.secret("k", world.marks.new("value"))
    return ["resolver", "secrets", "set-owner", "k", "-s", "nobody"]


def provider_away(world: World) -> list[str]:
    """A provider with a credential can't be reached."""
    parameters = {"url": "http://vault.invalid:8200", "token": world.marks.new("token"), "path": "a"}
    file = world.file("connection.json", json.dumps(parameters))
    return ["resolver", "secrets", "providers", "create", "v", "-y", "vault", "-f", file]


def secret_absent(world: World) -> list[str]:
    """A secret that is to get a value does not exist."""
    return ["resolver", "secrets", "update", "k", "-s", world.marks.new("-s")]


def bad_password(world: World) -> list[str]:
    """A password breaks the rule for its length."""
    password = world.file("password", world.marks.new("password") * 20)
    return ["resolver", "users", "create", "eve", "--password-file", password]


def unknown_token(world: World) -> list[str]:
    """A token has the right form and is not known."""
    return _with_token(world, f"ctok-{'a' * 10}-{(world.marks.new('token') * 2)[:40]}")


def malformed_token(world: World) -> list[str]:
    """A token has not the right form."""
    return _with_token(world, world.marks.new("token"))


def _with_token(world: World, token: str) -> list[str]:
    world.secret("k", world.marks.new("value"))
    return _resolve(world, "a: { get_secret: k }\n", "--token-file", world.file("token", token))


def narrowed_token(world: World) -> list[str]:
    """A narrowed token may not do this."""
    world.secret("k", world.marks.new("value"))
    made = world.run("resolver", "tokens", "create", "--quiet", "--permission", "secret:list")
    world.marks.know("token", made.out.strip().rpartition("-")[2])
    return [
        *("resolver", "secrets", "update", "k", "-t", TENANT, "-s", world.marks.new("-s")),
        *("--token-file", world.file("token", made.out)),
    ]


def no_store(world: World) -> list[str]:
    """The database has no tables."""
    mark = world.marks.new("password in a URL")
    os.environ["RESOLVER_DATABASE_URL"] = f"postgresql://eve:{mark}@127.0.0.1:1/db?connect_timeout=1"
    return ["resolver", "secrets", "list"]


def no_store_and_a_query(world: World) -> list[str]:
    """The database can't be reached, and its URL has the password among its options."""
    mark = world.marks.new("password in a URL")
    os.environ["RESOLVER_DATABASE_URL"] = f"postgresql://eve@127.0.0.1:1/db?connect_timeout=1&password={mark}"
    return ["resolver", "secrets", "list"]


def bad_url(world: World) -> list[str]:
    """The database's URL is none."""
    os.environ["RESOLVER_DATABASE_URL"] = f"{world.marks.new('password in a URL')}@host:db"
    return ["resolver", "secrets", "list"]


def bad_config(world: World) -> list[str]:
    """`config.yaml` breaks its schema with a URL that holds a password."""
    config = f"database_url: [postgresql://eve:{world.marks.new('password in a URL')}@host/db]\n"
    (world.home / "config.yaml").write_text(config)
    return ["resolver", "secrets", "list"]


def bad_root_key(world: World) -> list[str]:
    """The root key is none."""
    os.environ["RESOLVER_KEY"] = world.marks.new("root key")
    return ["resolver", "secrets", "list"]


def wrong_root_key(world: World) -> list[str]:
    """The root key is another one."""
    world.secret("k", world.marks.new("value"))
    key = (world.marks.new("root key") * 3)[:43] + "="
    (world.home / "keys" / "root.key").write_text(key[:42] + "A=")
    return ["resolver", "secrets", "get", "k"]


def _break_token(world: World, key: str) -> None:
    _statement(
        world,
        "UPDATE secret_version SET token = replace(token, substr(token, 40, 8), 'AAAAAAAA') "
        "WHERE secret_id = (SELECT id FROM secret WHERE key = ?)",
        key,
    )


def _move_token(world: World, one: str, other: str) -> None:
    which = "SELECT id FROM secret WHERE key = ?"
    _statement(
        world,
        f"UPDATE secret_version SET token = (SELECT token FROM secret_version WHERE secret_id = ({which})) "
        f"WHERE secret_id = ({which})",
        one,
        other,
    )


def unreadable(world: World) -> list[str]:
    """A stored token was damaged."""
    world.secret("k", world.marks.new("value"))
    _break_token(world, "k")
    return _resolve(world, "a: { get_secret: k }\n")


def misplaced(world: World) -> list[str]:
    """A stored token was copied from another secret."""
    world.secret("k", world.marks.new("value"))
    world.secret("other", world.marks.new("other value"))
    _move_token(world, "other", "k")
    return _resolve(world, "a: { get_secret: k }\n")


def tampered(world: World) -> list[str]:
    """Whoever may write the database has shown a secret that its owner hides."""
    world.secret("k", world.marks.new("value"))
    _statement(world, "UPDATE secret SET hidden = 1 - hidden WHERE key = 'k'")
    return _resolve(world, "a: { get_secret: k }\n")


def unconfirmed(world: World) -> list[str]:
    """A token that expires sets no password."""
    made = world.run("resolver", "tokens", "create", "--quiet", "--expires", "+1h")
    world.marks.know("token", made.out.strip().rpartition("-")[2])
    password = world.file("password", world.marks.new("password"))
    return [
        *("resolver", "users", "set-password", "admin", "--password-file", password),
        *("--token-file", world.file("token", made.out)),
    ]


def last_credential(world: World) -> list[str]:
    """The last token of the last sys_admin would end."""
    return ["resolver", "tokens", "revoke", world.token.split("-")[1]]


def _end_last(world: World) -> object:
    service = world.service()
    return service.tokens.revoke(world.caller(service), world.token.split("-")[1])


def _set_password(world: World) -> object:
    service = world.service()
    caller = world.caller(service, (world.folder / "token").read_text().strip())
    password = SecretValue((world.folder / "password").read_text())
    return service.users.set_password(caller, "admin", NewPassword(password))


def _resolve_again(world: World, command: list[str]) -> object:
    """Do through the Python interface what a command line says."""
    _, name, *options = command
    given = {option: value for option, value in itertools.pairwise(options) if option[0] == "-"}
    inputs = parse_inputs([given["-i"]] if "-i" in given else [])
    resolver = world.resolver()
    token = Path(given["--token-file"]).read_text().strip() if "--token-file" in given else world.token
    resolved = resolver.resolve(
        Path(name),
        tenant=TENANT,
        caller=resolver.authenticate(token=token),
        inputs={key: item.value if item.text is None else item.text for key, item in inputs.items()},
        context=yaml.safe_load(Path(given["-c"]).read_text()) if "-c" in given else None,
        evaluate="--evaluate" in options,
    )
    return to_json(resolved.data) if "--format" in given else resolved.text()


def _create(value: Callable[[World], str]) -> Callable[[World], object]:
    def call(world: World) -> object:
        service = world.service()
        return service.secrets.create(
            world.caller(service), TENANT, "k", NewSecret(value=SecretValue(value(world)))
        )

    return call


def _narrow(world: World) -> object:
    service = world.service()
    value = world.marks.new("newer value")
    return service.secrets.update(
        world.caller(service),
        TENANT,
        "k",
        SecretChange(value=SecretValue(value), visibility=Visibility.PRIVATE),
    )


def _mismatch(world: World) -> object:
    service = world.service()
    value = json.dumps(world.marks.new("another value"))
    return service.secrets.create(
        world.caller(service), TENANT, "k", NewSecret(value=SecretValue(value), schema='{"type": "integer"}')
    )


def _from_elsewhere(world: World) -> object:
    service = world.service()
    value = world.marks.new("newer value")
    return service.secrets.update(world.caller(service), "other", "k", SecretChange(value=SecretValue(value)))


def _into_nowhere(world: World) -> object:
    service = world.service()
    return service.secrets.create(
        world.caller(service), "nowhere", "k", NewSecret(value=SecretValue(world.marks.new("value")))
    )


def _give_to_nobody(world: World) -> object:
    service = world.service()
    caller, value = world.caller(service), world.marks.new("value")
    return service.secrets.update(caller, TENANT, "k", SecretChange(value=SecretValue(value), owner="nobody"))


def _fetch(world: World) -> object:
    service = world.service()
    caller = world.caller(service)
    parameters = {"url": "http://vault.invalid:8200", "token": world.marks.new("token"), "path": "a"}
    service.providers.create(caller, TENANT, "v", NewProvider("vault", parameters))
    service.secrets.create(caller, TENANT, "p", NewSecret(provider="v"))
    return service.secrets.show(caller, TENANT, "p")


def _list(world: World) -> object:
    service = world.service()
    return service.secrets.list(world.caller(service), TENANT).items


def _get(world: World) -> object:
    service = world.service()
    return service.secrets.show(world.caller(service), TENANT, "k")


def _update(world: World) -> object:
    service = world.service()
    return service.secrets.update(
        world.caller(service), TENANT, "k", SecretChange(value=SecretValue(world.marks.new("update")))
    )


def _authenticate(world: World) -> object:
    return world.resolver().authenticate(token=(world.folder / "token").read_text())


def _use_narrowed(world: World) -> object:
    service = world.service()
    caller = world.caller(service, (world.folder / "token").read_text().strip())
    return service.secrets.update(
        caller, TENANT, "k", SecretChange(value=SecretValue(world.marks.new("update")))
    )


def _create_user(world: World) -> object:
    service = world.service()
    return service.users.create(
        world.caller(service), "eve", NewUser(password=SecretValue((world.folder / "password").read_text()))
    )


def _no_credentials(world: World) -> object:
    return world.resolver().authenticate(token=world.marks.new("token"), username="eve", password="x" * 9)


def _surrogate(world: World) -> str:
    return world.marks.new("value") + "\udc80"


def _large(world: World) -> str:
    return world.marks.new("value") + "x" * (1 << 20)


DEEP = "a: " + "[" * 200 + "]" * 200 + "\n"
GROWTH = "".join(
    f"g{number}: {{ get_secret: {{ string_replace: [{'x' * 4_000}, x, {'y' * 4_000}] }} }}\n"
    for number in range(9)
)
"""Calls whose results have more characters together than a run may make."""

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in itertools.pairwise("abcdefgh")
)
CALL = "a: { get_secret: k }\nb: { get_secret: [j, a] }\n"

CASES = [
    # reasons, in the order of their definition
    Case(blueprint_not_utf8, Reason.NOT_UTF8, 3),
    Case(_with_text(CALL + "c: ]\n"), Reason.SYNTAX, 3),
    Case(_with_text("# only a comment\n"), Reason.EMPTY, 3),
    Case(_with_text(CALL + "a: 1\n"), Reason.DUPLICATE_KEY, 3),
    Case(_with_text(CALL + "{ get_secret: k }: 1\n"), Reason.BAD_MAPPING_KEY, 3),
    Case(_with_text(CALL + "c: !!int text\n"), Reason.BAD_SCALAR, 3),
    Case(_with_text(CALL + "c: &c [*c]\n"), Reason.RECURSIVE_ALIAS, 3),
    Case(_with_text(CALL + f"# {'x' * (8 << 20)}\n"), Reason.TOO_LARGE, 3),
    Case(_with_text(CALL + DEEP.replace("a:", "c:")), Reason.TOO_DEEP, 3),
    Case(_with_text(LAUGHS), Reason.TOO_MANY_NODES, 3),
    Case(_with_text(CALL + GROWTH), Reason.BUDGET_SPENT, 3),
    Case(
        lambda world: [*_with_text(CALL + "c: !custom x\n")(world), "--format", "json"],
        Reason.CUSTOM_TAG,
        3,
    ),
    Case(_with_text("imports: [/etc/passwd]\n" + CALL), Reason.IMPORT_REFUSED, 3),
    Case(import_holds_calls, Reason.IMPORT_HOLDS_CALLS, 3),
    Case(_with_text(CALL + "c: { get_secret: k, beside: 1 }\n"), Reason.NOT_A_CALL, 3),
    Case(_with_text(CALL + "c: { get_secret: [k] }\n"), Reason.BAD_ARGUMENT, 3),
    Case(_with_text("tosca_definitions_version: tosca_9\n" + CALL), Reason.UNKNOWN_VERSION, 3),
    Case(_with_text(CALL + "c: { get_secret: { get_input: absent } }\n"), Reason.BAD_INPUT, 3),
    Case(_with_text(CALL + "c: { get_secret: { get_attribute: [vm, ip] } }\n"), Reason.NOT_KNOWN_YET, 3),
    Case(not_permitted, Reason.NOT_PERMITTED, 4),
    Case(protected, Reason.APPROVAL_NEEDED, 4),
    Case(not_found, Reason.NOT_FOUND, 5),
    Case(store_is_away, Reason.UNAVAILABLE, 3),
    Case(value_is_half_a_character, Reason.UNREADABLE, 6),
    Case(_with_text(CALL + "c: { get_secret: [k, a] }\n"), Reason.NOT_JSON, 3),
    Case(_with_text(CALL + "c: { get_secret: [j, a, nowhere] }\n"), Reason.NO_SUCH_STEP, 3),
    Case(value_holds_a_call, Reason.VALUE_HOLDS_CALL, 3),
    # inputs, and what was computed
    Case(not_utf8, Reason.BAD_INPUT, 3),
    Case(input_refused, Reason.BAD_INPUT, 3),
    Case(input_syntax, Reason.BAD_INPUT, 3),
    Case(input_step, Reason.BAD_INPUT, 3),
    Case(input_is_no_key, Reason.BAD_ARGUMENT, 3),
    Case(input_is_no_text, Reason.BAD_ARGUMENT, 3),
    Case(input_is_a_step, Reason.NO_SUCH_STEP, 3),
    Case(key_from_input_not_found, Reason.NOT_FOUND, 5),
    Case(input_holds_a_malformed_call, Reason.NOT_A_CALL, 3),
    Case(input_holds_a_call, Reason.NOT_FOUND, 5),
    Case(input_holds_a_bad_call, Reason.BAD_INPUT, 3),
    Case(computed_key_not_found, Reason.NOT_FOUND, 5),
    Case(computed_key_is_no_key, Reason.BAD_ARGUMENT, 3),
    Case(computed_step, Reason.NO_SUCH_STEP, 3),
    Case(computed_input, Reason.BAD_INPUT, 3),
    Case(computed_key_not_json, Reason.NOT_JSON, 3),
    Case(computed_key_unreadable, "DecryptionError", 6),
    Case(computed_key_misplaced, "MisplacedTokenError", 6),
    Case(value_is_no_number, Reason.BAD_SCALAR, 3),
    Case(value_is_too_deep, Reason.TOO_DEEP, 3),
    # context
    Case(_with_context("a: { get_secret: j }\n", "labels: [FACT]\n"), Reason.BAD_CONTEXT, 3),
    Case(_with_context("a: { get_secret: j }\n", "deployment: {FACT: 1}\n"), Reason.BAD_CONTEXT, 3),
    Case(_with_context("a: { get_secret: { get_attribute: [vm, ip] } }\n"), Reason.NOT_FOUND, 5),
    Case(_with_context("a: { get_secret: [j, { get_attribute: [vm, ip] }] }\n"), Reason.NO_SUCH_STEP, 3),
    Case(_with_context("a: { get_attribute: [vm, more, nowhere] }\n"), Reason.NO_SUCH_STEP, 3),
    Case(_with_context("a: { get_secret: { get_attribute: [vm, more] } }\n"), Reason.BAD_ARGUMENT, 3),
    Case(
        _with_context("a: { get_secret: { get_input: { get_attribute: [vm, ip] } } }\n"), Reason.BAD_INPUT, 3
    ),
    # classes
    Case(two_sources, "UsageError", 2, _no_credentials),
    Case(bad_config, "UsageError", 2, _list),
    Case(bad_url, "UsageError", 2, _list),
    Case(value_too_large, "InvalidRequestError", 2, _create(_large)),
    Case(value_no_text, "InvalidRequestError", 2, _create(_surrogate)),
    Case(bad_password, "InvalidRequestError", 2, _create_user),
    Case(unknown_token, "AuthenticationError", 4, _authenticate),
    Case(malformed_token, "AuthenticationError", 4, _authenticate),
    Case(narrowed_token, "NotPermittedError", 4, _use_narrowed),
    Case(unconfirmed, "UnconfirmedError", 4, _set_password),
    Case(protected_and_shown, "ApprovalNeededError", 4, _get),
    Case(secret_absent, "NotFoundError", 5, _update),
    Case(narrowed_visibility, "NarrowedVisibilityError", 2, _narrow),
    Case(schema_mismatch, "SchemaMismatchError", 2, _mismatch),
    Case(global_from_elsewhere, "ElsewhereError", 4, _from_elsewhere),
    Case(tenant_absent, "NoSuchTenantError", 5, _into_nowhere),
    Case(owner_absent, "NoSuchUserError", 5, _give_to_nobody),
    Case(provider_away, "ProviderError", 6, _fetch),
    Case(last_credential, "LastCredentialError", 8, _end_last),
    Case(key_taken, "ConflictError", 8, _create(lambda world: world.marks.new("second value"))),
    Case(no_store, "StoreError", 6, _list),
    Case(no_store_and_a_query, "StoreError", 6, _list),
    Case(bad_root_key, "RootKeyError", 6, _list),
    Case(wrong_root_key, "RootKeyError", 6, _get),
    Case(unreadable, "DecryptionError", 6),
    Case(misplaced, "MisplacedTokenError", 6),
    Case(tampered, "TamperedRowError", 6),
]


INTERFACE = (None, _authenticate, _no_credentials)
"""The cases that come through the Python interface: `_resolve_again`, and these."""

PACKAGE = Path(resolver.__file__).parent


def _id(case: Case) -> str:
    name = getattr(case.provoke, "__name__", "")
    return f"{case.error}-{name}" if name.isidentifier() and name != "provoke" else str(case.error)


@pytest.fixture(autouse=True)
def _environment_is_put_back(world: World) -> Iterator[None]:  # noqa: ARG001 - to end before it
    """Cases set variables; `world` has them removed at the start and puts them back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_every_reason_has_a_case() -> None:
    """No reason is left out of the table."""
    covered = {str(case.error) for case in CASES} | {
        Reason.SCHEMA,
        Reason.BAD_DEFINITION,
        Reason.CREDENTIAL,
        *ONLY_LINT,
        Reason.EXPIRED,
        Reason.PROVIDER,
        Reason.NOT_AT_PROVIDER,
        *ONLY_WARNINGS,
    }  # which have tests of their own
    assert {str(reason) for reason in Reason} == covered & set(Reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("node_templates: [vm]\n", Reason.SCHEMA),
        (
            "tosca_definitions_version: cloudify_dsl_1_5\nnode_templates: {vm: {type: T}}\n",
            Reason.BAD_DEFINITION,
        ),
        ("c: { get_secrets: k }\n", Reason.NEAR_MISS),
        ("c: '{ get_secret: k }'\n", Reason.NEAR_MISS),
        (
            (
                "tosca_definitions_version: cloudify_dsl_1_5\ninputs: {note: {}}\n"
                "outputs: {o: {value: {get_input: nope}}}\n"
            ),
            Reason.UNDECLARED_INPUT,
        ),
        (
            (
                "tosca_definitions_version: cloudify_dsl_1_5\n"
                "inputs: {note: {}, port: {type: integer, default: {get_secret: k}}}\n"
            ),
            Reason.TEXT_FOR_TYPE,
        ),
    ],
)
def test_a_strict_check_shows_no_value(world: World, text: str, reason: Reason) -> None:
    """What the schema and the rules refuse is told with the check's report, without any value."""
    _with_text(CALL + text)(world)
    said = world.run(
        "resolve", str(world.folder / "b.yaml"), "-t", TENANT, "--check", "--strict", "--fail-on", "any"
    )
    assert said.code == 3
    assert f"[{reason}]" in said.out
    assert world.marks.find(said.out + said.err) == []


def test_every_class_has_a_case() -> None:
    """No class is left out of the table."""
    classes = {
        name
        for name, thing in vars(resolver.errors).items()
        if isinstance(thing, type) and issubclass(thing, ResolverError)
    }
    covered = {str(case.error) for case in CASES} | ELSEWHERE
    assert classes - ABSTRACT == covered & classes


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_no_message_holds_a_value(world: World, case: Case) -> None:
    """The command line says what is wrong, with or without --debug, and no value, not even half of stdout."""
    command = case.provoke(world)
    plain, debug = world.run(*command), world.run(*command, "--debug")
    for said in (plain, debug):
        assert (said.code, said.out) == (case.code, "")
        assert world.marks.find(said.err) == []
    kind = BlueprintError.__name__ if isinstance(case.error, Reason) else case.error
    assert issubclass(_class_named(debug.err.split()[-1]), getattr(resolver.errors, kind))
    if isinstance(case.error, Reason):
        assert f"[{case.error}]" in plain.err
    assert "  at " not in plain.err


def _class_named(name: str) -> type[ResolverError]:
    pending = [ResolverError]
    while pending:
        kind = pending.pop()
        if kind.__name__ == name:
            return kind
        pending += kind.__subclasses__()
    raise AssertionError(name)


def _raised(world: World, case: Case) -> ResolverError:
    command = case.provoke(world)
    with pytest.raises(ResolverError) as caught:
        _resolve_again(world, command) if case.call is None else case.call(world)
    error = caught.value
    if isinstance(error, BlueprintError):
        assert case.error in {problem.reason for problem in error.problems}
    else:
        assert case.error in {kind.__name__ for kind in type(error).__mro__}
    return error


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_no_exception_holds_a_value(world: World, case: Case) -> None:
    """Neither text, repr and fields of what is raised nor its traceback hold a value."""
    error = _raised(world, case)
    shown = "".join(traceback.format_exception(error))
    assert world.marks.find(f"{error}\n{error!r}\n{vars(error)!r}\n{shown}") == []


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    pending = [error]
    while pending:
        link = pending.pop()
        if link is not None:
            yield link
            pending += [link.__cause__, link.__context__]


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_no_earlier_exception_holds_a_value(world: World, case: Case) -> None:
    """Nor do the exceptions that led to it and that a traceback leaves out: crash reporters follow them.

    They send the variables of all frames, too, so errors of the Python interface come without our frames.
    """
    for link in _chain(_raised(world, case)):
        if case.call in INTERFACE:
            frames = [frame for frame, _ in traceback.walk_tb(link.__traceback__)]
            ours = [frame for frame in frames if Path(frame.f_code.co_filename).is_relative_to(PACKAGE)]
            if ours and ours[0].f_code not in (parse_inputs.__code__, to_json.__code__):  # the test's own
                assert [frame.f_locals for frame in ours if world.marks.find(repr(frame.f_locals))] == []
        # What a library keeps for itself (a connection, with its password) is no part of its message.
        fields = {name: value for name, value in vars(link).items() if not name.startswith("_")}
        assert world.marks.find(f"{link}\n{link!r}\n{fields!r}") == [], type(link)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_nothing_that_is_kept_holds_a_value(world: World, case: Case) -> None:
    """No log record of any logger at DEBUG, no audit record and no file of the store holds a value.

    A key stands in the store, and in the record of its creation, so a value that is one as well is looked for
    in the records of its use only.
    """
    command = case.provoke(world)
    world.run(*command)
    assert world.marks.find("\n".join(world.logs.texts)) == []
    connection = sqlite3.connect(world.home / "data" / "resolver.db")
    records = connection.execute("SELECT body FROM audit_record WHERE action <> 'secret:create'").fetchall()
    keys = {key for (key,) in connection.execute("SELECT key FROM secret")}
    connection.close()
    assert world.marks.find(b"\n".join(body for (body,) in records)) == []
    world.marks.forget(keys)
    assert world.marks.find_in_tree(world.home / "data") == []
