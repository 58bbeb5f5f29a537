"""Context and inputs files: what is wrong with one is said without a word of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.blueprint.context_file import read_context
from resolver.blueprint.inputs import parse_inputs
from resolver.dsl.problems import Reason
from resolver.errors import BlueprintError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its name has words of the texts


MALFORMED = [
    ("a: [hunter2", "is not valid YAML"),
    ("a: hunter2\na: 1", "has a key twice in one mapping"),
    ("hunter2: 2001-99-99", "is not valid YAML"),
    ("", "is empty"),
    ("# hunter2", "is empty"),
    (b"hunter2\xff", "is not UTF-8"),
    ("hunter2: " + "[" * 200, "is nested deeper than 100 levels"),
    ("hunter2\n--- 1", "does not hold one plain document"),
    ("!hunter2 {}", "does not hold one plain document"),
]


@pytest.mark.parametrize(
    ("what", "reason", "load"),
    [
        ("context file", Reason.BAD_CONTEXT, lambda path: read_context(path, "t")),
        ("inputs file", Reason.BAD_INPUT, lambda path: parse_inputs([path])),
    ],
)
@pytest.mark.parametrize(("text", "wrong"), MALFORMED)
def test_malformed_files(
    what: str, reason: Reason, load: Callable[[str], object], text: str | bytes, wrong: str
) -> None:
    """The message names the file and what it is not; whatever stands in it may be secret."""
    path = Path("f.yaml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BlueprintError) as caught:
        load(str(path))
    (problem,) = caught.value.problems
    assert (problem.reason, problem.message) == (reason, f"{what} {str(path)!r} {wrong}")
    assert "hunter2" not in repr(problem)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("5", " must be a mapping"),
        ("[]", " must be a mapping"),
        ("deployment: 5", ": deployment must be a mapping"),
        ("deployment: {id: [hunter2]}", ": something in deployment must be text"),
        ("labels: [hunter2]", ": labels must be a mapping"),
        ("labels: {hunter2: x}", ": something in labels must be a list"),
        ("capabilities: {a: hunter2}", ": something in capabilities must be a mapping"),
        ("attributes: null", ": attributes must be a mapping"),
        (
            "1: hunter2",
            (
                ": a section is not known here; known are deployment, labels, capabilities, "
                "environment_capabilities, attributes"
            ),
        ),
    ],
)
def test_wrong_shapes(text: str, wrong: str) -> None:
    """A section is named, what is in it is not."""
    path = Path("c.yaml")
    path.write_text(text)
    with pytest.raises(BlueprintError) as caught:
        read_context(str(path), "t")
    (problem,) = caught.value.problems
    assert (problem.reason, problem.message) == (Reason.BAD_CONTEXT, f"context file {str(path)!r}{wrong}")
    assert "hunter2" not in repr(problem)


def test_a_file_that_is_not_there() -> None:
    """It is a usage error."""
    with pytest.raises(UsageError, match=r"^the context file 'c.yaml' can't be read: No such"):
        read_context("c.yaml", "t")
