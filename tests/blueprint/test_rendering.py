"""Values in the place of calls: what changes in the text, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from resolver.blueprint import Blueprint, Masked, Rendered, join, read, render
from resolver.core.location import Position
from resolver.dsl.budget import Budget
from resolver.dsl.calls import call_name
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.walk import rebuild
from resolver.errors import BlueprintError, BudgetError
from tests.effort import lines_run


def calls(blueprint: Blueprint, *names: str) -> list[dict[Any, Any]]:
    """The calls that are part of the documents, in the order of a walk; of some functions only."""
    found: dict[int, dict[Any, Any]] = {}

    def walk(node: object) -> None:
        if isinstance(node, dict):
            name = call_name(node)
            if name and (not names or name in names):
                found.setdefault(id(node), node)
            for value in node.values():
                walk(value)
        elif isinstance(node, (list, tuple)):
            for value in node:
                walk(value)

    for document in blueprint.documents:
        walk(document)
    return list(found.values())


def rendered(text: str, *values: object, functions: tuple[str, ...] = ()) -> Rendered:
    """The text with its calls replaced by the values, in order; the invariant is checked on the way."""
    blueprint = read(text.encode(), "text")
    nodes = calls(blueprint, *functions)
    assert len(nodes) == len(values)
    results = {id(node): value for node, value in zip(nodes, values, strict=True)}
    done = render(blueprint, results)
    expected = [rebuild(document, results) for document in blueprint.documents]
    try:
        loaded = list(yaml.load_all(done.text, yaml.CSafeLoader))
    except yaml.YAMLError:  # what only PyYAML's own scanner takes
        loaded = list(yaml.safe_load_all(done.text))
    assert loaded == expected
    return done


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # flow style: from brace to brace
        ("a: {get_secret: k}\n", 'a: "V"\n'),
        ("a:   { get_secret: k }   # note\n", 'a:   "V"   # note\n'),
        ("a: {\n  get_secret: k  # inside\n}  # after\n", 'a: "V"  # after\n'),
        ("[{get_secret: k},b]", '["V",b]'),
        ('{"a":{get_secret: k},b: c}', '{"a": "V",b: c}'),
        ("a: {'get_secret': k, type: string}", 'a: "V"'),
        # block style: from the first key to the end of the last value
        ("a:\n  get_secret: k\nb: 1\n", 'a:\n  "V"\nb: 1\n'),
        (
            "a:\n  # before\n  get_secret: k  # after\n  # below\nb: 1\n",
            'a:\n  # before\n  "V"  # after\n  # below\nb: 1\n',
        ),
        ("a:\n  get_secret:\n  - k\n  - 0\n# note\n\nb: 1", 'a:\n  "V"\n# note\n\nb: 1'),
        ("a:\n  get_secret: |\n    k\n\n\n# note\nb: 1", 'a:\n  "V"\n\n\n# note\nb: 1'),
        ("- get_secret: k\n  type: string\n- b", '- "V"\n- b'),
        ("- get_secret: k\n  type:   # none\n- b", '- "V"   # none\n- b'),
        ("a:\n  ? get_secret\n  : k\nb: 1", 'a:\n  "V"\nb: 1'),
        ("a:\n  get_secret: k\n  ? type # note\nb: 1", 'a:\n  "V" # note\nb: 1'),
        ("a:\n  ? type\n  ? get_secret\n  : k\n?\n# c\nb: 1", 'a:\n  "V"\n?\n# c\nb: 1'),
        ("a:\n  get_secret: k\n  type: &t\n    ? k # note\nb: 1", 'a:\n  "V" # note\nb: 1'),
        ("a:\n  get_secret: k\n  ? !!str type\n  # note\n", 'a:\n  "V"\n  # note\n'),
        ("a:\n  get_secret: k\n  ? type\n  # note\n\n# more\nb: 1", 'a:\n  "V"\n  # note\n\n# more\nb: 1'),
        ("get_secret: k", '"V"'),
        ("--- # start\n\nget_secret: k\n...\n", '--- # start\n\n"V"\n...\n'),
        ("? a\n: get_secret: k\n", '? a\n: "V"\n'),
        # a single pair in a flow sequence
        ("[get_secret: k]", '["V"]'),
        ("[a, get_secret: k  # note\n , b]", '[a, "V"  # note\n , b]'),
        ("[? get_secret : k]", '["V"]'),
        # properties: the anchor stays, the tag goes
        ("a: &p {get_secret: k}\nb: *p\n", 'a: &p "V"\nb: *p\n'),
        ("a: &p  # note\n  get_secret: k\nb: *p", 'a: &p  # note\n  "V"\nb: *p'),
        ("a: !!map {get_secret: k}", 'a:  "V"'),
        ("a: !!map &p {get_secret: k}\nb: *p", 'a:  &p "V"\nb: *p'),
        ("a: &p !!map\n  # note\n  get_secret: k\nb: *p", 'a: &p \n  # note\n  "V"\nb: *p'),
        ("a:\n  &f get_secret: k\n", 'a:\n  "V"\n'),
        # a call by merging is its own span
        ("a: {<<: {get_secret: k}}", 'a: "V"'),
        # a replaced call leaves nothing of a call within
        ("a: {get_secret: {get_input: [b]}}", 'a: "V"'),
        # every kind of line and character
        ("\ufeffa: {get_secret: k}\r\nb: é😀\r\n", '\ufeffa: "V"\r\nb: é😀\r\n'),
        ("a: {get_secret: k}\rb: 1", 'a: "V"\rb: 1'),
        ("é: 😀\x85b: {get_secret: k}", 'é: 😀\x85b: "V"'),
        ("a: {get_secret: k}  \n \nb:   1  \n", 'a: "V"  \n \nb:   1  \n'),
    ],
)
def test_only_the_call_changes(before: str, after: str) -> None:
    """A call's span is replaced, everything else stays byte for byte."""
    blueprint = read(before.encode(), "text")
    call = calls(blueprint)[0]
    done = render(blueprint, {id(call): "V"})
    assert done.text == after
    assert done.written_out == ()
    assert list(yaml.safe_load_all(after)) == [rebuild(d, {id(call): "V"}) for d in blueprint.documents]


def test_the_end_of_a_call_is_found_without_a_search() -> None:
    """Comments between a key without a value and what comes next are not gone through one by one."""

    def work(comments: int) -> int:
        notes = "# note\n" * comments
        with lines_run() as run:
            read(f"a:\n  get_secret: k\n  ? type\n{notes}b: 1".encode(), "text")
        return run.lines

    assert work(1000) < 2 * work(1)


def test_many_calls_in_a_long_text_are_read_in_time() -> None:
    """Where each of them ends is seen near it; searched from the start of the text, this takes an hour."""
    text = "".join(f"k{number}:\n  get_secret: k\n  ? type\n# note\n" for number in range(15_000))
    assert len(calls(read(text.encode(), "text"))) == 15_000


LOOK_ALIKES = """\
# {get_secret: a}
a: {get_secret: k} # get_secret: b
b: '{get_secret: c}'
c: |
  get_secret: d
d: "get_secret: e"
e: get_secret
f: [get_secret, x]
g: {x: get_secret}
h: get_secret:i
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LOOK_ALIKES, id="words in texts and comments"),
        pytest.param(f"a: [{'x, ' * 50_000}{{get_secret: k}}{', y' * 50_000}]\n", id="many items on a line"),
        pytest.param(f"a: {{get_secret: k}} # {'é' * 200_000}\n", id="a long comment"),
        pytest.param(f"a: '{'x' * 300_000}'\nb: {{get_secret: k}}\n", id="a long text"),
        pytest.param(f"a: [{'x' * 300_000}, {{get_secret: k}}]\n", id="a long word before it"),
        # PyYAML's Python scanner refuses tabs between words, libyaml takes them.
        pytest.param("a:\t{get_secret: k}\t# note\nb:\t-1\t\n", id="tabs around"),
        pytest.param("[\ta,\t{get_secret: k}\t,\tb]\n", id="tabs in a list"),
        pytest.param("a: &p\t{get_secret: k}\nb:\t*p\n", id="a tab after an anchor"),
        pytest.param("a: 'b\tc'\nd: |\n  x\ty\ne: {get_secret: k}\n", id="tabs in texts"),
        pytest.param("a: {x:[b], y: {get_secret: k}}\n", id="what the Python scanner alone takes"),
    ],
)
def test_all_else_stays(text: str) -> None:
    """Whatever stands around the one call stays as it is, and means what it meant."""
    done = rendered(text, "V")
    assert done.text == text.replace("{get_secret: k}", '"V"')
    assert done.written_out == ()


def test_tabs_within_a_call() -> None:
    """They go with the call, and those around it stay."""
    assert rendered("a:\t{get_secret:\tk}\t# c\n", "V").text == 'a:\t"V"\t# c\n'
    assert rendered("[\tget_secret:\tk\t,\tb]\n", "V").text == '[\t"V"\t,\tb]\n'


def test_calls_in_deferred_calls_are_replaced_in_place() -> None:
    """A call that stays keeps its text around the inner call's value."""
    text = "a: {concat: [x, {get_secret: k}]}\nb:\n  concat:\n  - get_secret: k\n  - y\n"
    done = rendered(text, "V", "W", functions=("get_secret",))
    assert done.text == 'a: {concat: [x, "V"]}\nb:\n  concat:\n  - "W"\n  - y\n'


def test_the_outer_of_two_replaced_calls_wins() -> None:
    """The value of a call inside a replaced one appears nowhere."""
    done = rendered("a: {concat: [x, {get_secret: k}]}", "V", "W")
    assert done.text == 'a: "V"'


def test_several_documents() -> None:
    """Each document's calls are replaced, the marks between them stay."""
    text = "%YAML 1.1\n---\na: {get_secret: k}\n...\n--- # two\n- get_secret: k\n"
    assert rendered(text, "V", "W").text == '%YAML 1.1\n---\na: "V"\n...\n--- # two\n- "W"\n'


def test_a_value_never_grows_together_with_what_follows() -> None:
    """A number in the place of braces is kept apart from a comment that stood right behind them."""
    assert rendered("a: {get_secret: k}#note\n", 8080).text == "a: 8080 #note\n"
    assert rendered("[{get_secret: k},{get_secret: l}]", 1, None).text == "[1,null]"


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        # the anchor was in the replaced span
        ("a: {get_secret: &n name}\nb: *n\n", 'a: "V"\nb: "name"\n', [(2, 4)]),
        ("a: {get_secret: &n name}\n*n : [*n]\n", 'a: "V"\n"name" :  ["name"]\n', [(2, 1), (2, 7)]),
        ("a: {get_secret: &n 5}\nb: {*n :x, c: *n}\n", 'a: "V"\nb: {5 : x, c: 5}\n', [(2, 5), (2, 15)]),
        ("a: {get_secret: &n {x: 1}}\nb: {<<: *n, y: 2}\n", 'a: "V"\nb: {<<: {"x": 1}, y: 2}\n', [(2, 9)]),
        (
            "a: {get_secret: &n {x: 1}}\nb: {<<: [*n, {y: 2}]}\n",
            'a: "V"\nb: {<<: [{"x": 1}, {y: 2}]}\n',
            [(2, 10)],
        ),
        ("a: {get_secret: &n !!set {x}}\nb: {<<: *n}\nc: *n", None, [(2, 9), (3, 4)]),
        ("a: {get_secret: [&n x, *n]}\nb: 1\n", 'a: "V"\nb: 1\n', []),
        ("a: {get_secret: [&n x, &m [*n]]}\nb: *m\n", 'a: "V"\nb: ["x"]\n', [(2, 4)]),
    ],
)
def test_aliases_to_what_is_gone_are_written_out(before: str, after: str | None, places: list[Any]) -> None:
    """Where a replaced span held an anchor, each alias to it becomes what it stood for, and is reported."""
    done = rendered(before, "V")
    if after is not None:
        assert done.text == after
    assert [(place.line, place.column) for place in done.written_out] == places


def test_what_is_written_out_has_its_values() -> None:
    """Calls inside what an alias stands for are replaced there too."""
    text = "a: {get_secret: &n [{get_input: i}, x]}\nb: *n\n"
    done = rendered(text, "V", "I")
    assert done.text == 'a: "V"\nb: ["I", "x"]\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # merged by alias, while the call itself is replaced
        ("a: &p {get_input: i}\nb: {<<: *p, z: 1}\n", 'a: &p "V"\nb: {<<: {"get_input": "i"}, z: 1}\n'),
        (
            "a: [&p {get_input: i}]\nb: {<<: [{y: 1}, *p], z: 1}\n",
            'a: [&p "V"]\nb: {<<: [{y: 1}, {"get_input": "i"}], z: 1}\n',
        ),
        (
            "a: &l [{get_input: i}, {y: 1}]\nb: {<<: *l, z: 1}\n",
            'a: &l ["V", {y: 1}]\nb: {<<: [{"get_input": "i"}, {"y": 1}], z: 1}\n',
        ),
        # defined in the merge, while an alias asks for the value
        ("b: {<<: &p {get_input: i}, z: 1}\na: *p\n", 'b: {<<: &p {get_input: i}, z: 1}\na: "V"\n'),
        ("b: {<<: &l [{get_input: i}], z: 1}\na: *l\n", 'b: {<<: &l [{get_input: i}], z: 1}\na: ["V"]\n'),
        # the same in a list of pairs
        ("b: !!pairs [&p {get_input: i}]\na: *p\n", 'b: !!pairs [&p {get_input: i}]\na: "V"\n'),
        ("a: &p {get_input: i}\nb: !!pairs [*p]\n", 'a: &p "V"\nb: !!pairs [{"get_input": "i"}]\n'),
        # what is merged keeps its inner values, and needs no writing out for them
        ("a: &p {x: {get_input: i}}\nb: {<<: *p, z: 1}\n", 'a: &p {x: "V"}\nb: {<<: *p, z: 1}\n'),
        ("b: {<<: &p {x: {get_input: i}}, z: 1}\na: *p\n", 'b: {<<: &p {x: "V"}, z: 1}\na: *p\n'),
    ],
)
def test_merged_calls_stay_what_is_merged(before: str, after: str) -> None:
    """A merge key needs the mapping, all other places need the value: each place gets what it needs."""
    done = rendered(before, "V")
    assert done.text == after
    assert bool(done.written_out) is ("*p" not in after and "*l" not in after)


def test_a_call_that_is_merged_and_a_value_at_once_is_both() -> None:
    """In what is written out for a merge, the same mapping may also be a value, which is replaced."""
    text = "a: &p {get_input: i}\nb: {get_secret: &l [{x: *p}, *p]}\nc: {<<: *l, z: 1}\n"
    done = rendered(text, "I", "V")
    assert done.text == 'a: &p "I"\nb: "V"\nc: {<<: [{"x": "I"}, {"get_input": "i"}], z: 1}\n'


def test_an_alias_to_a_call_and_a_merge_of_it_have_results_of_their_own() -> None:
    """A mapping that becomes a call by merging is another call than the one it merges."""
    done = rendered("a: &p {get_secret: k}\nb: *p\nc: {<<: *p}\n", "V", "W")
    assert done.text == 'a: &p "V"\nb: *p\nc: "W"\n'


def test_an_overridden_call_stays_as_text() -> None:
    """What a merge overrides is not part of the data, so nothing replaces it."""
    text = "a: {<<: {x: {get_secret: k}}, x: 1}\n"
    assert rendered(text).text == text


def test_custom_tags_keep_their_text() -> None:
    """Inside an opaque node nothing is replaced; aliases to its inside get the value."""
    blueprint = read(b"a: !t [&p {get_secret: k}]\nb: *p\nc: {<<: *p, z: 1}\n", "text")
    done = render(blueprint, {id(blueprint.documents[0]["b"]): "V"})
    assert done.text == 'a: !t [&p {get_secret: k}]\nb: "V"\nc: {<<: *p, z: 1}\n'.replace(
        "<<: *p", '<<: {"get_secret": "k"}'
    )


def test_what_is_merged_from_a_custom_tag_is_written_out() -> None:
    """The parts of an opaque node become data where they are merged, so their calls are replaced there."""
    blueprint = read(b"a: !t &p {x: {get_secret: k}}\nb: {<<: *p}\n", "text")
    done = render(blueprint, {id(blueprint.documents[0]["b"]["x"]): "V"})
    assert done.text == 'a: !t &p {x: {get_secret: k}}\nb: {<<: {"x": "V"}}\n'


def test_aliases_inside_custom_tags_do_not_dangle() -> None:
    """An opaque node's text changes only where it names an anchor that is gone."""
    blueprint = read(b"a: &p {get_secret: &n name}\nb: !t [*n, *p]\n", "text")
    done = render(blueprint, {id(blueprint.documents[0]["a"]): "V"})
    assert done.text == 'a: &p "V"\nb: !t ["name", *p]\n'
    assert done.written_out == (Position(2, 8),)


def refused(text: str, value: object) -> Problem:
    """The problem that keeps the text's first call from being replaced by a value."""
    blueprint = read(text.encode(), "text")
    with pytest.raises(BlueprintError) as caught:
        render(blueprint, {id(calls(blueprint)[0]): value})
    (problem,) = caught.value.problems
    return problem


def test_an_opaque_node_is_not_written_out() -> None:
    """Only its tag is known, so an alias to one that is gone is refused."""
    problem = refused("a: {get_secret: &n !t x}\nb: *n\n", "V")
    assert (problem.reason, problem.position) == (Reason.CUSTOM_TAG, Position(2, 4))
    assert problem.line_text == "b: *n"


def test_a_long_key_is_not_written_out() -> None:
    """YAML allows a key of 1,024 characters, so an alias in a key's place is refused beyond that."""
    name = "n" * 1100
    problem = refused(f"a: {{get_secret: &n {name}}}\n*n : x\n", "V")
    assert (problem.reason, problem.position) == (Reason.TOO_LARGE, Position(2, 1))
    assert rendered(f"a: {{get_secret: &n {name}}}\nb: *n\n", "V").text.endswith(f'b: "{name}"\n')


def test_values_that_yaml_can_not_hold_are_refused_without_being_shown() -> None:
    """Half of a surrogate pair and data too deep name their kind only."""
    problem = refused("a: {get_secret: k}", "hunter2\ud800")
    assert (problem.reason, problem.position) == (Reason.UNREADABLE, Position(1, 4))
    assert "hunter2" not in repr(problem)
    deep: Any = "hunter2"
    for _ in range(5000):
        deep = [deep]
    problem = refused("a: {get_secret: k}", deep)
    assert problem.reason is Reason.TOO_DEEP
    assert "hunter2" not in repr(problem)


def test_what_values_add_has_an_end() -> None:
    """What an alias is written out as counts once for each alias."""
    budget = Budget(characters=150)
    text = "a: {get_secret: &n [{get_input: i}]}\nb: ["
    assert rendered(text + "*n, " * 2 + "]", "V", "x" * 30).text.count("x" * 30) == 2
    blueprint = read((text + "*n, " * 3 + "]").encode(), "text")
    values = dict(zip(map(id, calls(blueprint)), ["V", "x" * 30], strict=True))
    with pytest.raises(BudgetError) as caught:
        render(blueprint, values, budget)
    (problem,) = caught.value.problems
    assert (problem.reason, problem.position) == (Reason.BUDGET_SPENT, Position(2, 13))
    assert problem.message == "the run makes more than 150 characters, those in between included"


def test_masked_values() -> None:
    """A masked value shows its label, which no loader takes for data."""
    blueprint = read(b"a: {get_secret: k}#c\nb: {get_secret: l}\n", "text")
    first, second = calls(blueprint)
    done = render(blueprint, {id(first): Masked("db_password"), id(second): Masked("it's: #1")})
    assert done.text == 'a: !masked db_password #c\nb: !masked "it\'s: #1"\n'
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(done.text)


def test_a_value_is_not_in_the_repr() -> None:
    """The rendered text holds values, so its repr does not hold the text."""
    done = rendered("a: {get_secret: k}", "hunter2")
    assert repr(done) == "<Rendered, 12 characters>"


PEM = "-----BEGIN KEY-----\n" + ("A" * 64 + "\n") * 16_000 + "-----END KEY-----\n"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\n",
        "a\r\nb",
        "it's",
        '"',
        "\\",
        "# x",
        "- x",
        "a: b",
        "{x}",
        "*x",
        "&x",
        "!x",
        "%x",
        "@",
        "`",
        "?",
        "---",
        "...",
        "yes",
        "null",
        "1",
        "2001-01-01",
        "<<",
        "=",
        "\x00\x07\x1b[31m\x7f",
        "\x85\u2028\u2029",
        "\ufeff\ufffe\uffff",
        "\u202e\u2066",
        "😀𝄞\xa0\xad\U0010ffff",
        "\t",
        "{{ x }}",
        "{ get_secret: k }",
        PEM,
        None,
        True,
        False,
        0,
        -5,
        2**64,
        -(2**70),
        10**5000,
        0.1,
        1e17,
        1.5e-7,
        -1e300,
        5e-324,
        float("inf"),
        float("-inf"),
        [],
        {},
        [[], {}],
        {"": None, "a b": [1, "2"], "k" * 2000: {"x": "\n"}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_in_any_place(value: object) -> None:
    """Strings and JSON data load back as they were, in block, flow and document places."""
    for text in (
        "a: {get_secret: k}\nb: 1\n",
        "- get_secret: k\n- b\n",
        "[x,get_secret: k,y]",
        "get_secret: k\n",
    ):
        done = rendered(text, value)
        if isinstance(value, str) and len(value) < 100:
            assert all(character.isprintable() for character in done.text.replace("\n", ""))


def test_rendering_grows_with_the_text() -> None:
    """Ten times the calls take about ten times the work, aliases or not."""

    def work(count: int) -> int:
        lines = [f"k{n}: &a{n} {{get_secret: s{n}}}\nl{n}: *a{n}\n" for n in range(count)]
        blueprint = read("".join(lines).encode(), "text")
        results = {id(node): "value" for node in calls(blueprint)}
        with lines_run() as run:
            render(blueprint, results)
        return run.lines

    assert work(1000) < 15 * work(100)


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (["a: 1\n"], "# source: n0\n---\na: 1\n"),
        (["a: 1", "b: 2"], "# source: n0\n---\na: 1\n# source: n1\n---\nb: 2"),
        (["---\na\n", "--- b\n"], "# source: n0\n---\na\n# source: n1\n--- b\n"),
        (
            ["# note\n\n--- a\n", "# note\nb\n"],
            "# source: n0\n# note\n\n--- a\n# source: n1\n---\n# note\nb\n",
        ),
        (["a\n", "%YAML 1.1\n--- b\n"], "# source: n0\n---\na\n...\n# source: n1\n%YAML 1.1\n--- b\n"),
        (["%TAG ! !x\n--- a\n...\n", "b\n"], "# source: n0\n%TAG ! !x\n--- a\n...\n# source: n1\n---\nb\n"),
        (["\ufeffa\n", "\ufeffb\n"], "\ufeff# source: n0\n---\na\n# source: n1\n---\nb\n"),
        (["a\n", "\ufeff%YAML 1.1\n--- b\n"], "# source: n0\n---\na\n...\n# source: n1\n%YAML 1.1\n--- b\n"),
        (["a\r", "b\x85", "c"], "# source: n0\n---\na\r# source: n1\n---\nb\x85# source: n2\n---\nc"),
        (["a\r\n", "b\r"], "# source: n0\n---\na\r\n# source: n1\n---\nb\r"),
        (["a: {b:[c]}", "d"], "# source: n0\n---\na: {b:[c]}\n# source: n1\n---\nd"),
        # a block scalar at the end takes no line break that was not there
        (["a: |\n  b", "c"], "# source: n0\n---\na: |-\n  b\n# source: n1\n---\nc"),
        (
            ["a: &x !!str >2+ # note\n  b", "c"],
            "# source: n0\n---\na: &x !!str >2- # note\n  b\n# source: n1\n---\nc",
        ),
        (["a: |+\n  b\n  ", "c"], "# source: n0\n---\na: |+\n  b\n# source: n1\n---\nc"),
        (["a: |+\n  b\n\n", "c"], "# source: n0\n---\na: |+\n  b\n\n# source: n1\n---\nc"),
        (["a: |\n  b\n# end", "c"], "# source: n0\n---\na: |\n  b\n# end\n# source: n1\n---\nc"),
        (["--- |\n b\n", "c"], "# source: n0\n--- |\n b\n# source: n1\n---\nc"),
        (["---\n", "--- a\n---\n"], "# source: n0\n---\n# source: n1\n--- a\n---\n"),
    ],
)
def test_the_stream_has_all_documents(parts: list[str], joined: str) -> None:
    """Each text's documents follow those of the one before, whatever either ends or begins with."""
    assert join([(f"n{number}", part) for number, part in enumerate(parts)]) == joined
    expected = [document for part in parts for document in yaml.safe_load_all(part)]
    assert list(yaml.safe_load_all(joined)) == expected


def test_a_name_stays_on_its_line() -> None:
    """A file name with a line break or a control character is quoted and escaped."""
    assert join([("a\nb: 1\x1b", "c")]) == '# source: "a\\nb: 1\\u001b"\n---\nc'
    assert join([("dir/my file.yaml", "c")]) == "# source: dir/my file.yaml\n---\nc"
