"""The dialects: which one a document has, what is a call in it, and what its calls come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from resolver.blueprint import read, render
from resolver.blueprint.near_misses import near_misses
from resolver.core.formats import DialectName
from resolver.core.model import SecretValue
from resolver.dsl.budget import Budget
from resolver.dsl.definitions import Definitions
from resolver.dsl.dialects import DIALECTS, SECRET_NAMES, dialect_of, is_unknown
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.values import GivenInput

CASES = Path(__file__).parents[1] / "blueprint" / "cases"

SECRETS = {
    "k": "V1",
    "j": '{"a": "A", "$b": {"$c": "$$d", "e": 1}, "get_secret": {"get_secret": "k"}}',
    "num": "443",
    "dollar": "$ecret",
    "dollars": "$$x",
}


def resolved(
    text: str,
    given: dict[str, Any] | None = None,
    *,
    dialect: DialectName | None = None,
    partial: bool = False,
    evaluate: bool = False,
) -> tuple[Any, list[Problem]]:
    """A text with the values of secrets in it, loaded, or its problems."""
    blueprint = read(text.encode(), "b.yaml")
    chosen = None if dialect is None else DIALECTS[dialect]
    plan = Plan(
        [blueprint],
        {name: GivenInput(value) for name, value in (given or {}).items()},
        partial=partial,
        evaluate=evaluate,
        definitions={
            id(root): Definitions([root], dialect=dialect_of(root, chosen)) for root in blueprint.documents
        },
    )
    while uses := plan.advance():
        plan.supply({use.key: SecretValue(SECRETS[use.key]) for use in uses})
    if plan.problems:
        return None, plan.problems
    results = plan.results(blueprint)
    assert not results.by_path
    made = {node: substitution.value for node, substitution in results.by_node.items()}
    return yaml.safe_load(render(blueprint, made).text), []


def tosca_1(properties: str, rest: str = "") -> str:
    """A node template of TOSCA 1 with some properties, and more sections of its template."""
    return f"""\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs:
    name: {{type: string, default: k}}
{rest}
  node_templates:
    db:
      type: Database
      properties: {properties}
"""


def tosca_2(properties: str, rest: str = "") -> str:
    """The same in TOSCA 2.0."""
    changed = tosca_1(properties, rest).replace("tosca_simple_yaml_1_3", "tosca_2_0")
    return changed.replace("topology_template", "service_template")


def properties_of(text: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - options of `resolved`
    """The properties of the node template `db` once the text is resolved."""
    document, problems = resolved(text, **options)
    assert not problems, problems
    (template,) = document.keys() & {"topology_template", "service_template"}
    found: dict[str, Any] = document[template]["node_templates"]["db"]["properties"]
    return found


def refusal(text: str, **options: Any) -> Problem:  # noqa: ANN401 - options of `resolved`
    """The one problem of a text."""
    _, problems = resolved(text, **options)
    (problem,) = problems
    return problem


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ("cloudify_dsl_1_3", DialectName.CLOUDIFY),
        ("cloudify_dsl_9_9", DialectName.CLOUDIFY),
        *((f"tosca_simple_yaml_1_{minor}", DialectName.TOSCA_1) for minor in range(4)),
        ("tosca_2_0", DialectName.TOSCA_2),
        ("alien_dsl_2_0_0", DialectName.CLOUDIFY),
        (1.3, DialectName.CLOUDIFY),
        (None, DialectName.CLOUDIFY),
    ],
)
def test_the_version_decides(version: object, dialect: DialectName) -> None:
    """A document of no version, or of none that is known, is read as Cloudify's, as ever."""
    assert dialect_of({"tosca_definitions_version": version}).name is dialect
    assert dialect_of([]).name is DialectName.CLOUDIFY


@pytest.mark.parametrize(
    ("version", "chosen", "dialect"),
    [
        ("cloudify_dsl_1_3", DialectName.YORC, DialectName.CLOUDIFY),
        ("cloudify_dsl_1_3", DialectName.TOSCA_2, DialectName.CLOUDIFY),
        ("tosca_simple_yaml_1_3", DialectName.YORC, DialectName.YORC),
        ("tosca_simple_yaml_1_3", DialectName.TOSCA_2, DialectName.TOSCA_1),
        ("tosca_simple_yaml_1_3", DialectName.CLOUDIFY, DialectName.TOSCA_1),
        ("tosca_2_0", DialectName.YORC, DialectName.TOSCA_2),
        ("tosca_9_9", DialectName.TOSCA_2, DialectName.TOSCA_2),
        ("alien_dsl_2_0_0", DialectName.YORC, DialectName.YORC),
        (None, DialectName.TOSCA_1, DialectName.TOSCA_1),
    ],
)
def test_a_choice_counts_where_the_version_leaves_it_open(
    version: object, chosen: DialectName, dialect: DialectName
) -> None:
    """A version that is known wins; within TOSCA 1, the choice of Yorc's way is the user's."""
    document = {"tosca_definitions_version": version}
    assert dialect_of(document, DIALECTS[chosen]).name is dialect


def test_versions_of_tosca_that_are_not_known() -> None:
    """Of these, none is guessed at."""
    assert [is_unknown(version) for version in ("tosca_9_9", "tosca_2_0", "alien_dsl_2_0_0", "")] == [
        *(True, False, False, False)
    ]


def test_every_name_is_a_function() -> None:
    """A name that a secret is asked for by is a function of its dialect, and known to the reader."""
    for name, dialect in DIALECTS.items():
        assert dialect.name is name
        assert {dialect.get_secret, *dialect.aliases} <= dialect.functions.keys()
    assert {"get_secret", "$get_secret", "get_vault_secret"} == SECRET_NAMES


def test_the_handed_case_of_tosca_1() -> None:
    """Inputs stand in the topology template; SELF is the node; a list of a key alone is the key."""
    text = (CASES / "tosca13.yaml").read_text()
    assert properties_of(text) == {
        "a": "V1",
        "b": "A",
        "c": "V1",
        "d": {"concat": ["x", "V1"]},
        "e": {"token": ["V1", "V", 1]},
        "f": "V1",
        "g": "k",
        "h": "V1",
    }
    document, _ = resolved(text, evaluate=True)
    properties = document["topology_template"]["node_templates"]["db"]["properties"]
    assert (properties["d"], properties["e"]) == ("xV1", "1")
    assert document["topology_template"]["outputs"] == {"o": {"value": "k"}}


def test_the_handed_case_of_tosca_2() -> None:
    """Functions begin with a dollar sign."""
    text = (CASES / "tosca20.yaml").read_text()
    assert properties_of(text) == {"a": "V1", "b": "V1", "c": {"$concat": ["x", "V1"]}}
    assert properties_of(text, evaluate=True)["c"] == "xV1"


def test_other_spellings_are_data() -> None:
    """A function of one dialect is data in another."""
    same = "{a: {$get_secret: k}, b: {get_vault_secret: k}, c: {merge: [{}]}}"
    assert properties_of(tosca_1(same), evaluate=True) == yaml.safe_load(same)
    same = "{a: {get_secret: k}, b: {$$get_secret: k}, c: $$get_secret, d: {concat: [a]}}"
    assert properties_of(tosca_2(same), evaluate=True) == yaml.safe_load(same)
    document = "a: {$get_secret: k}\nb: {get_vault_secret: k}\nc: {join: [[a]]}\n"
    assert resolved(document, evaluate=True) == (yaml.safe_load(document), [])


def test_a_property_may_be_called_like_a_function() -> None:
    """Without a list, `token`, `join` and `concat` are names in TOSCA 1."""
    assert properties_of(tosca_1("{token: {get_secret: k}}"), evaluate=True) == {"token": "V1"}
    assert properties_of(tosca_2("{token: {$get_secret: k}}"), evaluate=True) == {"token": "V1"}


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("{$get_secret: dollar}", "$$ecret"),
        ("{$get_secret: dollars}", "$$$x"),
        ("{$get_secret: [j, '$$b']}", {"$$c": "$$$d", "e": 1}),
        ("{$get_secret: [j, '$$b', '$$c']}", "$$$d"),
        ("{$get_secret: [j, get_secret]}", {"get_secret": "k"}),
        ("{$concat: [{$get_secret: dollar}, '$$', x]}", "$$ecret$x"),
        ("{$concat: [x, {$get_secret: dollar}]}", "x$ecret"),
        ("{$concat: [$$a]}", "$$a"),
    ],
)
def test_values_are_escaped(call: str, value: object) -> None:
    """What begins with a dollar sign would be a function in TOSCA 2.0, and is written as data."""
    assert properties_of(tosca_2(f"{{a: {call}}}"), evaluate=True)["a"] == value


def test_tosca_1_does_not_escape() -> None:
    """There, a dollar sign is a character like any other, and data that would be a call is refused."""
    assert properties_of(tosca_1("{a: {get_secret: dollar}, b: {get_secret: [j, $b]}}")) == {
        "a": "$ecret",
        "b": {"$c": "$$d", "e": 1},
    }
    assert refusal(tosca_1("{a: {get_secret: [j, get_secret]}}")).reason is Reason.VALUE_HOLDS_CALL


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("$node_index", "$node_index"),
        ("[$node_index]", "$node_index"),
        ("{$other: [1]}", "$other"),
        ("[j, {$other: [1]}]", "$other"),
    ],
)
def test_functions_that_nobody_knows_are_left(argument: str, name: str) -> None:
    """In TOSCA 2.0 a name with a dollar sign is a function, also one that a text alone calls."""
    text = tosca_2(f"{{a: {{$get_secret: {argument}}}}}")
    problem = refusal(text)
    assert problem.reason is Reason.NOT_KNOWN_YET
    assert problem.message == f"the call needs {name}, whose result is not known before deployment"
    assert properties_of(text, partial=True) == {"a": {"$get_secret": yaml.safe_load(argument)}}


@pytest.mark.parametrize("value", ["$tr0ng", {"$tr0ng": []}, {"$tr0ng": 1, "x": 2}, ["$tr0ng"]])
def test_no_message_repeats_what_was_given_for_a_function(value: object) -> None:
    """A password may well begin with a dollar sign; whoever gives one as an input doubles it."""
    text = tosca_2("{a: {$get_secret: {$get_input: any}}}", "    any: {}")
    problem = refusal(text, given={"any": value})
    assert problem.message == "the value given for input 'any' holds a call that can't be evaluated"
    assert "tr0ng" not in f"{problem.message} {problem.hint} {problem.key}"
    assert properties_of(tosca_2("{a: {$get_input: name}}"), given={"name": "$$x"}, evaluate=True) == {
        "a": "$$x"
    }


def test_a_function_beside_other_keys_is_no_call() -> None:
    """The specification calls it malformed; a `type` beside it is no exception."""
    assert refusal(tosca_2("{a: {$get_secret: k, type: string}}")).reason is Reason.NOT_A_CALL
    assert refusal(tosca_1("{a: {get_secret: k, type: string}}")).reason is Reason.NOT_A_CALL
    problem = refusal(tosca_2("{a: {$concat: [{$get_input: {$x: 1, y: 2}}]}}"), evaluate=True)
    assert problem.message == "the function '$x' stands beside other keys, so it is not a call"


YORC = "tosca_definitions_version: alien_dsl_2_0_0\na: {}\n"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("k", "V1"),
        ("[k]", "V1"),
        ("/k", "V1"),
        ("[j, data=a]", "A"),
        ("[{concat: [/, j]}, data=a]", "A"),
    ],
)
@pytest.mark.parametrize("name", ["get_secret", "get_vault_secret"])
def test_yorc(name: str, argument: str, value: str) -> None:
    """A secret has a path, and an option names a part of it."""
    text = f"tosca_definitions_version: alien_dsl_2_0_0\na: {{{name}: {argument}}}\n"
    assert resolved(text, dialect=DialectName.YORC)[0]["a"] == value


@pytest.mark.parametrize(
    ("path", "key"),
    [("secret/data/app", "secret--data--app"), ("/secret/a-b", "secret--a-b"), ("app", "app")],
)
def test_paths_become_keys(path: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slash becomes two hyphens."""
    monkeypatch.setitem(SECRETS, key, "here")
    assert resolved(f"a: {{get_secret: {path}}}\n", dialect=DialectName.YORC)[0] == {"a": "here"}


@pytest.mark.parametrize("path", ["a--b", "a-/b", "a/-b", "a//b", "a/", "//a", "a/b--c"])
def test_no_two_paths_have_one_key(path: str) -> None:
    """Where another path would have the same key, the call is refused."""
    problem = refusal(f"a: {{get_secret: {path}}}\n", dialect=DialectName.YORC)
    assert problem.reason is Reason.BAD_ARGUMENT
    assert problem.message.startswith(f"the path {path!r} given to get_secret can't be made a key: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("[k, x]", "option 1 given to get_secret is not data=NAME, the only one that is known"),
        ("[k, data=a, ttl=1]", "option 2 given to get_secret is not data=NAME, the only one that is known"),
        ("[k, data=a, data=b]", "get_secret takes the option data=NAME once"),
        ("[/]", "the key is empty"),
    ],
)
def test_options_that_are_refused(options: str, message: str) -> None:
    """An option that would change what is meant is never passed over."""
    problem = refusal(f"a: {{get_secret: {options}}}\n", dialect=DialectName.YORC)
    assert problem.reason is Reason.BAD_ARGUMENT
    assert message in problem.message


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("{concat: [a, 1, b]}", "a1b"),
        ("{concat: [[a], [b, 1]]}", ["a", "b", 1]),
        ("{join: [[a, 1, b], '-']}", "a-1-b"),
        ("{join: [[a, b]]}", "ab"),
        ("{token: ['a:b:c', ':', 2]}", "c"),
        ("{token: ['a', ':', 0]}", "a"),
    ],
)
def test_functions(call: str, value: object) -> None:
    """The functions of TOSCA, evaluated."""
    assert properties_of(tosca_1(f"{{a: {call}}}"), evaluate=True) == {"a": value}
    assert properties_of(tosca_1("{a: {get_secret: {concat: [{get_input: name}]}}}")) == {"a": "V1"}


@pytest.mark.parametrize(
    "call", ["{concat: [a, true]}", "{concat: [a, 1.0]}", "{join: [[null]]}", "{token: ['a::b', '::', 1]}"]
)
def test_what_orchestrators_do_in_different_ways_is_left(call: str) -> None:
    """Never a wrong value: where the specification leaves it open, the call stays."""
    assert properties_of(tosca_1(f"{{a: {call}}}"), evaluate=True) == {"a": yaml.safe_load(call)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("{concat: []}", "concat takes a list, and was given 0"),
        ("{join: []}", "join takes a list of texts and possibly a delimiter, and was given 0"),
        ("{join: [a]}", "join takes a list of texts and possibly a delimiter, not text"),
        ("{token: [a, b]}", "token takes a text, a separating character and an index, and was given 2"),
        ("{token: [a, b, 1]}", "argument 3 of token is out of range: there are 1 parts"),
        ("{token: [a, b, -1]}", "argument 3 of token is out of range: there are 1 parts"),
        ("{token: [a, b, '1']}", "argument 3 of token is text, not a whole number"),
    ],
)
def test_malformed_functions(call: str, message: str) -> None:
    """What can't be evaluated is refused in words."""
    assert refusal(tosca_1(f"{{a: {call}}}"), evaluate=True).message == message


def misses(text: str) -> list[tuple[str, str]]:
    """The near misses of a text: what each says, and the hint."""
    blueprint = read(text.encode(), "b.yaml")
    found = near_misses(blueprint, Budget(), dialect_of(blueprint.documents[0]))
    return [(miss.message, miss.hint) for miss in found]


def test_near_misses_of_the_other_dialect() -> None:
    """The spelling of another dialect is a near miss; one's own, and what is escaped, is none."""
    said = "{} is no function, and nothing is resolved here"
    assert misses(tosca_2("{a: {get_secret: k}, b: {$get_secrets: k}}")) == [
        (said.format("'get_secret'"), "did you mean '$get_secret'?"),
        (said.format("'$get_secrets'"), "did you mean '$get_secret'?"),
    ]
    assert misses(tosca_1("{a: {$get_secret: k}, b: {get_vault_secret: [k]}}")) == [
        (said.format("'$get_secret'"), "did you mean 'get_secret'?"),
        (said.format("'get_vault_secret'"), "did you mean 'get_secret'?"),
    ]
    assert misses(tosca_2("{a: {$get_secret: k}, b: {$$get_secret: k}}")) == []
    assert misses(tosca_1("{a: {get_secret: [k]}}")) == []
