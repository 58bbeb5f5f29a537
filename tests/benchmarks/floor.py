"""The least that a resolver of this design has to do: read the events, fetch the rows, decrypt the tokens."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import yaml
from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from pathlib import Path

    from generated import Generated


class Floor:
    """The bare work for one blueprint: nothing is found, decided, placed or rendered.

    Args:
        blueprint: the text and its secrets.
        directory: where the database is made.
    """

    def __init__(self, blueprint: Generated, directory: Path) -> None:
        self._text = blueprint.text
        self._keys = json.dumps(list(blueprint.secrets))
        self._fernet = Fernet(Fernet.generate_key())
        self._database = sqlite3.connect(directory / f"floor-{blueprint.calls}.db")
        self._database.execute("CREATE TABLE secret (key TEXT PRIMARY KEY, token BLOB NOT NULL) STRICT")
        self._database.executemany(
            "INSERT INTO secret VALUES (?, ?)",
            ((key, self._fernet.encrypt(value.encode())) for key, value in blueprint.secrets.items()),
        )
        self._database.commit()

    def run(self) -> None:
        """Do the work once."""
        for _ in yaml.parse(self._text, Loader=yaml.CSafeLoader):
            pass
        rows = self._database.execute(
            "SELECT key, token FROM secret WHERE key IN (SELECT value FROM json_each(?))",
            (self._keys,),
        )
        for _key, token in rows.fetchall():
            self._fernet.decrypt(token)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
