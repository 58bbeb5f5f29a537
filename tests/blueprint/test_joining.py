"""Several texts as one stream."""

from __future__ import annotations

import pytest
import yaml

from resolver.blueprint import join


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
