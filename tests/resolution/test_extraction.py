"""A blueprint whose credentials became secrets resolves to what it was, and is otherwise the same text."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from resolver.blueprint import read
from resolver.blueprint.credentials import LITERAL, Credential, Sign
from resolver.blueprint.text_scalars import text_scalars
from resolver.core.model import SecretValue
from resolver.dsl.budget import Budget
from resolver.dsl.dialects import dialect_of
from resolver.dsl.plan import Plan
from resolver.dsl.walk import rebuild
from resolver.errors import BlueprintError, InvalidRequestError
from resolver.resolution import BlueprintText
from resolver.resolution.extraction import Extraction, FoundCredential, changed_lines
from tests.fuzz.seeds import TEXTS
from tests.fuzz.target import alike
from tests.real_blueprints import BLUEPRINTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.blueprint import Blueprint
    from resolver.core.formats import DialectName

SAMPLES = [path.read_bytes() for path in (*sorted(ROOT.glob("sample_blueprints/*.yaml")), *BLUEPRINTS)]


def extraction(text: str, chosen: DialectName | None = None) -> Extraction:
    """The credentials of one text."""
    return Extraction([BlueprintText("b.yaml", text.encode(), None)], chosen)


def free(_key: str, _value: SecretValue) -> bool:
    """Nothing is in use."""
    return True


def rewritten(text: str) -> str:
    """A text whose credentials became secrets under the keys that are proposed."""
    found = extraction(text)
    (one,) = found.rewrite(found.keys({}, free))
    return one.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("password: hunter2 # c\n", "password: { get_secret: password } # c\n"),
        ("password: 'hunter2'\n", "password: { get_secret: password }\n"),
        ("password:\n  hunter2\nb: 1\n", "password:\n  { get_secret: password }\nb: 1\n"),
        ("password: !!str 1234\n", "password: { get_secret: password }\n"),
        ("password: &a hunter2\nb: *a\n", "password: &a { get_secret: password }\nb: *a\n"),
        ("password: >- # c\n  a long\n  word\n\nb: 1\n", "password: { get_secret: password } # c\n\nb: 1\n"),
        ("password: |\r\n  line\r\n  line\r\n", "password: { get_secret: password }\r\n"),
        ("{password: hunter2, b: 1}\n", "{password: { get_secret: password }, b: 1}\n"),
        ("[{password: hunter2}]", "[{password: { get_secret: password }}]"),
        ("\ufeffpassword: hunter2\n", "\ufeffpassword: { get_secret: password }\n"),
        (
            "a: {password: x1y}\n---\nb: {password: x1y}\n",
            "a: {password: { get_secret: a_password }}\n---\nb: {password: { get_secret: a_password }}\n",
        ),
        (
            "tosca_definitions_version: tosca_2_0\npassword: hunter2\n",
            "tosca_definitions_version: tosca_2_0\npassword: { $get_secret: password }\n",
        ),
        ('{"password": "hunter2"}\n', '{"password": { get_secret: password }}\n'),
    ],
)
def test_the_text(before: str, after: str) -> None:
    """Only the value goes: comments, anchors, layout, line breaks and byte order marks stay."""
    assert rewritten(before) == after


def test_keys() -> None:
    """One for each value, of the telling steps of its path; numbers where one path is like another."""
    found = extraction(
        "inputs: {db_password: {default: one1}}\n"
        "node_templates:\n"
        "  web: {properties: {password: one1, token: two2, a: [{token: three3}], 'a b': {token: four4}}}\n"
        "  web2: {interfaces: {x: {create: {inputs: {env: [{name: API_TOKEN, value: five5}]}}}}}\n"
        "1: {token: six6}\nw: {a: {token: seven7}, b: {c: {token: eight8}}}\nw_a: {token: nine9}\n"
    )
    assert {key: value.reveal() for key, value in found.keys({}, free).items()} == {
        "db_password": "one1",
        "web_token": "two2",
        "web_a_token": "three3",
        "web_a_b_token": "four4",
        "web2_env_API_TOKEN": "five5",
        "token": "six6",
        "w_a_token": "seven7",
        "w_c_token": "eight8",
        "w_a_token_2": "nine9",
    }


def test_no_key_or_path_has_a_value_in_it() -> None:
    """Keys are stored in the clear and shown to many; so a name that has a value in it is left out."""
    found = extraction(
        "password: hunter2\n"
        "a: [{name: AKIAQ3EGUYTRJ4KLMNOP, value: AKIAZ3EGUYTRJ4KLMNOP}]\n"
        "b: {'for hunter2': {token: other33}}\n"
        "c: [{name: hunter2_password, value: fourth44}]\n"
    )
    keys = found.keys({}, free)
    assert len(keys) == 5
    printed = [*keys, *(str((place.problem().message, place.path)) for place in found.places)]
    for value in keys.values():
        assert not any(value.reveal() in text for text in printed)
    assert [place.what for place in found.places if place.value == SecretValue("fourth44")] == [
        "the value of '********'"
    ]


def test_keys_that_are_in_use() -> None:
    """Another number for one that has another value; the same key for one that has this value."""
    there = {"password": SecretValue("other"), "password_2": SecretValue("hunter2")}

    def is_free(key: str, value: SecretValue) -> bool:
        return there.get(key, value) == value

    assert list(extraction("password: hunter2\n").keys({}, is_free)) == ["password_2"]
    assert list(extraction("password: hunter3\n").keys({}, is_free)) == ["password_3"]


def test_keys_that_are_given() -> None:
    """Instead of those proposed; None leaves a value in the text; what is no key, or in use, is refused."""
    text = "a: {password: one1, token: two2}\n"
    assert list(extraction(text).keys({"a_password": "db"}, free)) == ["db", "a_token"]
    found = extraction(text)
    keys = found.keys({"a_password": None}, free)
    (one,) = found.rewrite(keys)
    assert one.text == "a: {password: one1, token: { get_secret: a_token }}\n"
    assert "one1" not in "".join(changed_lines(one))
    for name in ("no key", "1", "", "taken"):
        with pytest.raises(InvalidRequestError, match=r"can't be used in place of 'a_password'"):
            extraction(text).keys({"a_password": name}, lambda key, _: key != "taken")
    with pytest.raises(InvalidRequestError, match=r"'x' can't be used in place of 'a_token'"):
        extraction(text).keys({"a_password": "x", "a_token": "x"}, free)


def test_a_text_that_would_mean_something_else() -> None:
    """An alias of the value that is a mapping's key: nothing is written."""
    found = extraction("password: &a hunter2\nb: {*a : 1}\n")
    with pytest.raises(BlueprintError, match="1 problem") as caught:
        found.rewrite(found.keys({}, free))
    assert "without changing what else it means" in caught.value.problems[0].message
    assert "hunter2" not in str(caught.value.problems)


def test_what_is_printed() -> None:
    """Changed lines alone, without any credential: neither one that goes nor one that stays."""
    found = extraction("a: {password: hunter2, pin: 123456}\nb: 1\n")
    (one,) = found.rewrite(found.keys({}, free))
    assert list(changed_lines(one))[3:] == [
        "-a: {password: ********, pin: ********}",
        "+a: {password: { get_secret: a_password }, pin: ********}",
    ]
    shown = repr((found.places, one, [place.problem() for place in found.places]))
    assert "hunter2" not in shown
    assert "123456" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter22 # was hunter22\n",
        "a: {password: hunter22, constraints: [{valid_values: [hunter22, x]}]}\n",
        "password: hunter22 # no more xhunter22x\n",
        "password: abc # abc\n",
        'password: "one hunter22\\nhunter33 two" # hunter33 two\n',
    ],
)
def test_a_value_that_stands_beside_its_place(text: str) -> None:
    """In a comment, say: the line is not printed."""
    found = extraction(text)
    (one,) = found.rewrite(found.keys({}, free))
    printed = "\n".join(changed_lines(one))
    assert "stands elsewhere in it" in printed
    for part in ("hunter", "abc", "987654"):
        assert part not in printed


def test_lines_that_are_too_long_to_print() -> None:
    """They are named, and not shown."""
    found = extraction(f"password: hunter2 # {'x' * 3000}\n")
    (one,) = found.rewrite(found.keys({}, free))
    assert all(len(line) < 100 for line in changed_lines(one))


@pytest.mark.parametrize("where", ["imports: [*a]", "plugins: {p: {install_arguments: *a}}"])
def test_an_alias_where_no_call_is_resolved(where: str) -> None:
    """Nothing is written."""
    found = extraction(f"dsl_definitions: {{password: &a hunter2}}\n{where}\n")
    with pytest.raises(BlueprintError):
        found.rewrite(found.keys({}, free))


def resolved(blueprint: Blueprint, values: Mapping[str, SecretValue]) -> list[object] | None:
    """The documents of a blueprint with values in place of its calls; None when it can't be resolved."""
    plan = Plan([blueprint], {})
    uses = plan.advance()
    while uses and not plan.problems:
        plan.supply({use.key: values.get(use.key, SecretValue('{"user": "eve", "a": [1]}')) for use in uses})
        uses = plan.advance()
    if plan.problems:
        return None
    results = plan.results(blueprint).by_node
    values_of = {node: placement.value for node, placement in results.items()}
    return [rebuild(document, values_of) for document in blueprint.documents]


@pytest.mark.parametrize("number", range(len(SAMPLES) + len(TEXTS)))
def test_it_resolves_to_what_it_was(number: int) -> None:
    """Any texts of any blueprint are taken for credentials, some 10 of each; the result is the same."""
    data = SAMPLES[number] if number < len(SAMPLES) else TEXTS[number - len(SAMPLES)].encode()
    try:
        blueprint = read(data, "b.yaml")
    except BlueprintError:
        return
    random = Random(number)
    scalars = [each for each in text_scalars(blueprint, Budget()) if isinstance(each.value, str)]
    chosen = random.sample(scalars, min(len(scalars), 10))
    found = extraction("a: 1\n")
    found.blueprints = [blueprint]
    found.places = [
        FoundCredential(
            blueprint, Credential(each, Sign.NAME, ""), dialect_of(blueprint.documents[each.document])
        )
        for each in chosen
        if LITERAL.isdisjoint(each.path[:1])
    ]
    before = resolved(blueprint, {})
    keys = found.keys({}, free)
    try:
        made = found.rewrite(keys)
    except BlueprintError:
        assert number >= len(SAMPLES), "a real blueprint can be rewritten"
        return
    after = read(made[0].text.encode(), "b.yaml") if made else blueprint
    assert before is None or alike(resolved(after, keys), before)


def test_records_have_no_words() -> None:
    """Neither places nor what is rewritten show a value by their own words."""
    assert all(
        "****" in repr(msgspec.structs.asdict(place)["credential"])
        for place in extraction("token: x1y\n").places
    )
