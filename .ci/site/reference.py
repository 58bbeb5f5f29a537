#!/usr/bin/env python3
"""Writes the pages of the reference that the code decides: commands, settings, routes and schemas.

`.ci/site/reference.py` writes them to `docs/reference/`; tests/test_site.py fails when they are stale.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from resolver.cli.main import resolver_group  # noqa: E402 - the line above finds it
from resolver.cli.resolve import resolve_command  # noqa: E402 - same
from resolver.rest.app import GROUPS  # noqa: E402 - same
from resolver.rest.openapi import make_document  # noqa: E402 - same
from resolver.validation.json_schema import schema_text  # noqa: E402 - same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = ROOT / "docs" / "reference"
HEAD = "<!-- Written by .ci/site/reference.py: change the code, then run that. -->\n\n"

VARIABLES = {
    "RESOLVER_HOME": "the state directory; by default `~/.local/share/blueprint-resolver`",
    "RESOLVER_TOKEN": "the access token. `--token-file` goes before it, the profile comes after it",
    "RESOLVER_IDENTITY": "where the identity of a workload comes from, as `--identity` says it: "
    "[workloads without a token](../identity.md)",
    "RESOLVER_ID_TOKEN": "the identity itself, with `--identity gitlab`",
    "RESOLVER_AUDIENCE": "what that identity has to be for; by default the server's URL",
    "RESOLVER_TRUST": "the trust by which it is exchanged, where several would fit",
    "RESOLVER_TENANT": "the tenant when no `-t` is given; the profile's comes after it",
    "RESOLVER_URL": "a server that has the store: [use a server](../remote.md)",
    "RESOLVER_CA_FILE": "PEM file with the authorities to verify that server with",
    "RESOLVER_DATABASE_URL": "`postgresql://user@host/database` (install `.[postgresql]`) or "
    "`sqlite:////absolute/path`; in a path `?`, `#` and `%` are written as `%3F`, `%23` and `%25`",
    "RESOLVER_KEY_FILE": "files with root keys, with `:` between them: "
    "[root keys](../operations.md#the-root-key)",
    "RESOLVER_KEY_COMMAND": "a command that prints root keys, one in a line. It is run without a shell",
    "RESOLVER_KEY": "root keys themselves, with spaces between them. "
    "Other processes of the same user can read it",
}
"""The variables that are read, in the order of the page, with what each means."""

GIVEN = {
    "RESOLVED_BLUEPRINT": "to the command of `exec`: the path of the (first) resolved blueprint",
    "RESOLVED_BLUEPRINT_DIR": "to the command of `exec --fifo`: the folder of the paths",
}
"""The variables that are set for others."""


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; a bar in a cell is escaped."""
    lines = [list(header)]
    lines += [["---"] * len(lines[0])]
    lines += [[re.sub(r"(?<!\\)\|", r"\\|", " ".join(cell.split())) for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    yield "resolve", resolve_command

    def below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield name, command
            return
        context = click.Context(command)
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None:
                yield from below(f"{name} {sub}", found)

    yield from below("resolver", resolver_group)


def options_of(command: click.Command, name: str) -> list[tuple[str, str]]:
    """The options of a command, as its help page has them."""
    context = click.Context(command, info_name=name, **resolver_group.context_settings)
    records = [parameter.get_help_record(context) for parameter in command.params]
    return [record for record in records if record is not None]


def common_options() -> set[tuple[str, str]]:
    """The options that most commands have, in the same words."""
    each = [options_of(command, name) for name, command in commands()]
    found = {option for options in each for option in options}
    return {option for option in found if sum(option in options for options in each) > len(each) / 3}


def make_commands() -> str:
    """The page of the commands: what each does, how it is written, and its options."""
    common = common_options()
    parts = [
        "# Commands\n\n",
        "What `--help` says, on one page. `resolve` resolves into a pipe; all else is below `resolver`.\n",
        "[Exit codes](../exit-codes.md) and [settings](settings.md) have pages of their own.\n\n",
        "## Options of most commands\n\n",
        table(("option", "meaning"), [(f"`{option}`", text) for option, text in sorted(common)]),
    ]
    for name, command in commands():
        context = click.Context(command, info_name=name, **resolver_group.context_settings)
        paragraphs = re.split(r"\n\s*\n", str(command.help).replace("\b", ""))
        help_text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        parts += [f"\n## {name}\n\n", f"```text\n{usage}\n```\n\n", f"{help_text.strip()}\n"]
        own = [
            (f"`{option}`", text)
            for option, text in options_of(command, name)
            if (option, text) not in common
        ]
        if own:
            parts += ["\n", table(("option", "meaning"), own)]
    return HEAD + "".join(parts)


def kind_of(schema: dict[str, Any]) -> str:
    """The type that a schema asks for, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[`{name}`](#{anchor_of(name)})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(kind_of(part) for part in schema[word]))
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else kinds
    inner = (
        f" of {kind_of(schema['items'])}"
        if isinstance(schema.get("items"), dict) and "array" in names
        else ""
    )
    return " or ".join(names) + inner


def anchor_of(name: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def properties_of(schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The properties of an object's schema: name, type, description; a required one is marked."""
    required = schema.get("required", [])
    rows = []
    for name, part in schema.get("properties", {}).items():
        kind = kind_of(part) + (", required" if name in required else "")
        rows.append((f"`{name}`", kind, str(part.get("description", ""))))
    return rows


def make_settings() -> str:
    """The page of the settings: variables, and what `config.yaml` may hold by its schema."""
    schema = json.loads(schema_text("config.schema.json"))
    parts = [
        "# Settings\n\n",
        "Highest first: option, environment, profile, `config.yaml` in the state directory. ",
        "Nothing is read from the working directory. A variable that is set and empty is an error.\n\n",
        "## Environment\n\n",
        table(("variable", "meaning"), [(f"`{name}`", text) for name, text in VARIABLES.items()]),
        "\nAnd set by the program:\n\n",
        table(("variable", "meaning"), [(f"`{name}`", text) for name, text in GIVEN.items()]),
        "\n## config.yaml\n\n",
        f"{schema['description']} Its schema is `schemas/config.schema.json`, ",
        "and [operations](../operations.md#bounds) says what happens beyond a bound.\n\n",
        table(("name", "type", "meaning"), properties_of(schema)),
    ]
    for name, part in schema["properties"].items():
        if "properties" in part:
            parts += [f"\n### {name}\n\n", table(("name", "type", "meaning"), properties_of(part))]
    return HEAD + "".join(parts)


def json_of(described: dict[str, Any]) -> str:
    """The kind of JSON that a body or an answer is; an empty text when it is none."""
    schema = described.get("content", {}).get("application/json", {}).get("schema")
    return kind_of(schema) if schema else ""


def make_routes() -> str:
    """The page of the HTTP API: each route of the OpenAPI document, and the records that travel."""
    document = make_document(GROUPS)
    parts = [
        "# Routes\n\n",
        "All routes of `resolver serve`, from the document that it serves at `/openapi.json`. ",
        "[The REST API](../api.md) says how to ask and what the answers mean.\n",
    ]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((path, method.upper(), operation))
    for tag, operations in by_tag.items():
        rows = []
        for path, method, operation in operations:
            body = (
                operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            )
            done = operation["responses"].get("200", {}).get("content", {})
            answer = done.get("application/json", {}).get("schema")
            query = [f"`{part['name']}`" for part in operation.get("parameters", []) if part["in"] == "query"]
            takes = "; ".join(filter(None, [kind_of(body) if body else "", ", ".join(query)]))
            rows.append(
                (
                    f"`{method} {path}`",
                    operation["description"].partition("\n\n")[0],
                    takes,
                    kind_of(answer) if answer else "",
                )
            )
        parts += [f"\n## {tag}\n\n", table(("route", "what it does", "body; query", "answer"), rows)]
    parts.append("\n## Records\n")
    for name, schema in sorted(document["components"]["schemas"].items(), key=lambda item: item[0].lower()):
        parts.append(f"\n### `{name}`\n\n")
        rows = properties_of(schema)
        described = " ".join(str(schema.get("description", "")).split())
        parts.append(f"{described}\n" if described else "")
        if rows:
            parts += ["\n" if described else "", table(("field", "type", "meaning"), rows)]
        elif "properties" not in schema:
            parts.append(("\n" if described else "") + f"{kind_of(schema)}\n")
    return HEAD + "".join(parts)


def make_schemas() -> str:
    """The page of the schemas that ship with the program."""
    parts = [
        "# Schemas\n\n",
        "JSON Schemas (draft 2020-12) in `schemas/`, which editors and checks may point at. ",
        "They are part of the wheel, as `resolver/schemas/`.\n",
    ]
    for path in sorted((ROOT / "schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        parts += [
            f"\n## {path.name}\n\n",
            f"{schema['title']}. {schema.get('description', '')}".strip() + "\n",
        ]
        rows = properties_of(schema)
        if rows:
            shown = [(name, re.sub(r"\[`(\w+)`\]\(#\w+\)", r"\1", kind), text) for name, kind, text in rows]
            parts += ["\n", table(("name", "type", "meaning"), shown)]
    return HEAD + "".join(parts)


PAGES = {
    "commands.md": make_commands,
    "settings.md": make_settings,
    "routes.md": make_routes,
    "schemas.md": make_schemas,
}


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make())


if __name__ == "__main__":
    main()
