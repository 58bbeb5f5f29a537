"""Files and classes have the names that an engineer looks for, and each name once."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "resolver"


@cache
def sources() -> dict[Path, list[ast.AST]]:
    """All source files of the package, with what is in them."""
    return {path: list(ast.walk(ast.parse(path.read_text()))) for path in PACKAGE.rglob("*.py")}


NOUNS = {
    "access_reports": "service client",
    "accounts": "core/ports store client rest/v1 rest/cloudify",
    "approvals": "core core/ports service store client rest/v1 cli",
    "audit": "core service store client rest/v1 cli",
    "keys": "core/ports service store cli",
    "providers": "core service store client rest/v1 rest/cloudify cli/secrets",
    "secrets": "core/ports service store client rest/v1 rest/cloudify cli",
    "sessions": "store",
    "sign_in": "core core/ports service identity client rest/v1 cli",
    "tokens": "core service store rest/cloudify cli",
    "transfer": "core bootstrap rest/v1 rest/cloudify cli/secrets",
    "trusts": "core core/ports service store client rest/v1 cli",
    "usage": "rest/v1",
    "use": "service client rest/v1",
    "webhooks": "core core/ports service store client providers rest/v1 cli",
}
"""What the program is about, and the rooms that have a module of this name for it."""

OTHER_NAMES = {
    "client/auth": "identifies callers, as service/access does; a client decides nothing",
    "client/credentials": "how a caller is told to a server",
    "client/session": "the connection that all parts share",
    "core/ports/crypto": "what the room crypto gives",
    "core/ports/service": "what a run needs of the service",
    "core/ports/store": "what the room store gives",
    "rest/cloudify/filters": "how Cloudify's lists are asked for",
    "rest/v1/blueprints": "resolves; a blueprint is nothing that is stored",
    "rest/v1/console_session": "one caller's own session",
    "rest/v1/sealed_transfer": "exports and imports that the server encrypts",
    "service/access": "identifies callers, and decides",
    "service/access_log": "tells of refused logins",
    "service/base": "what all parts share",
    "service/console_sessions": "makes and ends sessions",
    "service/decryption": "opens what the store gave",
    "service/enforcement": "the end of the upgrade to authenticated rows",
    "service/event_delivery": "finds what webhooks tell, and sends it",
    "service/exporting": "transfer, one way",
    "service/first_setup": "fills an empty store",
    "service/group_roles": "roles that the groups of a provider gave, and how they end",
    "service/import_checks": "transfer, the other way: what is looked at before anything is stored",
    "service/import_plan": "transfer, the other way: what becomes of each entry",
    "service/importing": "transfer, the other way",
    "service/key_rotation": "replaces keys, in steps",
    "service/provider_values": "fetches values that providers keep",
    "service/row_check": "compares rows with the audit trail while a server runs",
    "service/secret_change": "what all changes of a secret share",
    "service/shared_commits": "transactions that uses share",
    "service/tenants": "accounts: a class of requests each",
    "service/usage_reports": "usage, and what is not used",
    "service/users": "accounts: a class of requests each",
    "service/versions": "history and rollback of secrets",
    "store/aggregates": "which columns are authenticated together",
    "store/audit_index": "audit records by key, user and blueprint",
    "store/authenticated": "rows that decide, with their MACs",
    "store/alchemy": "SQLAlchemy's engine",
    "store/compiled": "statements as they are sent",
    "store/engine": "connections",
    "store/holdings": "what accounts own",
    "store/reading": "rows to records",
    "store/row_macs": "rows that decide are checked",
    "store/statements": "the statements of a use",
    "store/use": "what a use asks the database",
    "store/listing": "parts of lists, in an order",
    "store/migrate": "makes and upgrades the schema",
    "store/migrations": "the schema's steps",
    "store/records": "rows to records and back",
    "store/rows": "what the parts of a transaction share",
    "store/sealed_columns": "which columns a rotation encrypts anew",
    "store/sql": "the store, its parts put together",
    "store/tables": "the schema",
}
"""Modules of the rooms below that have another name, each with what it is."""

NOUN_ROOMS = ("core/ports", "service", "store", "client", "rest/v1", "rest/cloudify")
"""The rooms that are divided by nouns, file by file alike."""


@pytest.mark.parametrize(("noun", "rooms"), NOUNS.items())
def test_a_noun_has_one_file_name(noun: str, rooms: str) -> None:
    """Whoever looks for a thing finds a file of its name in each room that has it."""
    lacking = [
        room
        for room in rooms.split()
        if not (PACKAGE / room / f"{noun}.py").is_file() and not (PACKAGE / room / noun).is_dir()
    ]
    assert lacking == []


@pytest.mark.parametrize("room", NOUN_ROOMS)
def test_a_file_is_named_after_a_noun(room: str) -> None:
    """A module of these rooms has a noun's name, or is listed with what it is."""
    names = {path.stem for path in (PACKAGE / room).iterdir() if not path.name.startswith("__")}
    assert {f"{room}/{name}" for name in names - NOUNS.keys()} - OTHER_NAMES.keys() == set()


OLD_WORDS = {
    *("arriving", "bare", "elsewhere", "gate", "hops", "incoming", "moving", "narrowing", "near", "own"),
    *("parcels", "part", "people", "places", "relay", "sink", "sites", "strangers", "taps", "telling"),
    *("told", "trail", "turns", "watcher", "watching", "wire"),
}
"""Words that no file is named after: an engineer looks for others."""


def test_files_are_named_in_the_words_of_the_field() -> None:
    """No module is named after a word of old, nor is one of tests."""
    assert {path.stem for path in sources()} & OLD_WORDS == set()
    tests = {
        str(path.relative_to(ROOT / "tests"))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.stem.removeprefix("test_") in OLD_WORDS
    }
    assert tests == set()


def test_a_class_name_exists_once() -> None:
    """Who searches for a class finds one."""
    found = defaultdict(set)
    for path, nodes in sources().items():
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                found[node.name].add(str(path.relative_to(PACKAGE)))
    double = {name: sorted(paths) for name, paths in found.items() if len(paths) > 1}
    assert double == {}
