"""Texts to begin with, and pieces of YAML to put into them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

PIECES = (
    *("{", "}", "[", "]", ":", ",", "-", "?", "&a", "*a", "*a ", "&b ", "*b", "<<: ", "<<: *a"),
    *("<<: [*a, *b]", "|", ">", "|-\n", ">+2\n", "'", '"', "\\", "\\x", "\\u12", "\\U0001f511"),
    *('"\\ud800"', "#", " # c", "%", "---", "...", "\n---\n", "\n...\n", "%YAML 1.1\n---\n"),
    *("%TAG ! x\n---\n", "!", "!!", "!t ", "!<x> ", "!!str ", "!!int ", "!!set ", "!!omap "),
    *("!!pairs ", "!!binary ", "!!timestamp ", "!!merge ", "!!value ", "get_secret: ", "get_secret"),
    *("{get_secret: k}", "{get_secret: [k, user]}", "{get_secret: [k, a, 0, -1]}", "get_input: "),
    *("{get_input: given}", "{get_input: [a, 1, k]}", "{concat: [a, {get_secret: k}]}"),
    *("{merge: [{}, ", "{string_split: [a, b, ", "{get_property: [SELF, a]}", "type: x", ", type: x"),
    *("inputs: ", "node_templates: ", "imports: [", "tosca_definitions_version: cloudify_dsl_1_5\n"),
    *("constraints: [{pattern: ", "default: ", "dsl_definitions: &a\n  ", "\t", "\r", "\r\n", "\n"),
    *("\n  ", "\n    ", "\n- ", " ", "\x85", "\u2028", "\ufeff", "\x00", "\x7f", "\xa0", "=", "~"),
    *("null", "yes", "0", "-1", "1_000", "0x_", "190:20:30", "1e5", ".inf", ".nan", "2001-99-99"),
    *("2001-12-14t21:59:43.10-05:30", "9" * 400, "a" * 1100, "é", "名", "\U0001f511", "\U0010ffff"),
    *("\ufffe"),
)
"""Pieces that mean something in YAML or in a blueprint."""

TEXTS = (
    "a: {get_secret: k}\nb: [x, get_secret: k, y]\n",
    "a: &a\n  get_secret: k\nb: *a\nc: {<<: *a}\n",
    """\
dsl_definitions:
  x: &a {user: {get_secret: [k, user]}}
node_templates:
  n:
    type: t
    properties:
      <<: *a
      p: {get_property: [SELF, user]}
""",
    """\
inputs:
  given: {type: string, default: {get_secret: k}}
outputs:
  o: {value: {concat: [a, {get_input: given}]}}
""",
    "%YAML 1.1\n---\na: |+\n  text\n\nb: >-\n  folded\n---\n- 'it''s'\n- \"\\x41\"\n...\n",
    "a: !t {get_secret: k}\nb: !!set {x, y}\nc: !!omap [x: 1, y: {get_secret: k}]\n",
    "? get_secret\n: k\n",
    "a: {concat:[x, {get_secret: k}]}\n",
    "\ufeffé: {get_secret: k}\r\nb: 1\r\n",
)
"""Small texts that use what the reader and the renderer know."""

SHORT = 1500
"""Longest sample to begin with, in bytes."""


def seeds() -> list[bytes]:
    """All texts to begin with: the small ones, and the samples."""
    samples = [path.read_bytes() for path in sorted(ROOT.glob("sample_blueprints/**/*.yaml"))]
    return [text.encode() for text in TEXTS] + [sample for sample in samples if len(sample) < SHORT]
