"""What a message may show of a computed word."""

from __future__ import annotations

import pytest

from resolver.core.provenance import WRITTEN, Provenance, joint_provenance

SECRET = Provenance(secrets=frozenset({"k"}), used=frozenset({"k"}))
INPUT = Provenance(inputs=frozenset({"i"}))
CONTEXT = Provenance(context=True)


@pytest.mark.parametrize(
    ("provenance", "shown", "label"),
    [
        (WRITTEN, "'word'", "word"),
        (INPUT, "<from input i>", "word"),
        (CONTEXT, "<from the context>", "word"),
        (SECRET, "<from secret k>", "<from secret k>"),
        (SECRET | INPUT | CONTEXT, "<from secret k>", "<from secret k>"),
        (INPUT | CONTEXT, "<from input i>", "word"),
        (WRITTEN | SECRET, "<from secret k>", "<from secret k>"),
        (SECRET | Provenance(secrets=frozenset({"a"})), "<from secret a, k>", "<from secret a, k>"),
    ],
)
def test_a_word_shows_only_when_it_is_written(provenance: Provenance, shown: str, label: str) -> None:
    """Words out of secrets, inputs or context are shown as where they came from; secrets go before inputs."""
    assert provenance.show("word") == shown
    assert provenance.label("word") == label
    assert provenance.bare("word") == shown.strip("'")


def test_what_is_put_together_comes_from_all_its_parts() -> None:
    """In one step what joining two by two gives; of written parts alone it is written."""
    parts = [WRITTEN, SECRET, INPUT, CONTEXT, SECRET, Provenance(secrets=frozenset({"a"}))]
    expected = WRITTEN
    for part in parts:
        expected |= part
    assert joint_provenance(parts) == expected
    assert joint_provenance([WRITTEN, WRITTEN]) is WRITTEN
