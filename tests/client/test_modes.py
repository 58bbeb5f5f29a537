"""One suite of scenarios, run on a store of this machine and over HTTP: what is printed is the same."""

from __future__ import annotations

import contextlib
import difflib
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.client.conftest import Cli, serving, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.prefork import Prefork

pytestmark = pytest.mark.slow

TOKEN = re.compile(r"ctok-(\w{10})-\w{40}")
VOLATILE = {
    "TIME": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "UUID": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "HASH": re.compile(r"\b[0-9a-f]{64}\b"),
    "DIGEST": re.compile(r"\b[0-9a-f]{32}\b"),
    "PID": re.compile(r"/proc/\d+/fd/\d+"),
}

SCENARIOS = Path(__file__).with_name("scenarios")
"""One step a line: exit code, `NAME=` to keep the token that is printed, who asks, command, `<<<` and stdin.

`@NAME` is the public part of a token that was kept, `@file` a file.
"""

NAMES = ["secrets", "providers", "trail", "resolving", "people"]


@dataclass
class Mode:
    """One way to use one store.

    Args:
        cli: runs commands.
        folder: where files are made.
        tokens: who there is.
    """

    cli: Cli
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def run(self, step: str) -> str:
        """Run one step; its exit code and what it printed, without what differs from run to run."""
        words = shlex.split(step)
        keep, who = (words.pop(0)[:-1], words.pop(0)) if words[0].endswith("=") else ("", words.pop(0))
        stdin = words[words.index("<<<") + 1] + "\n" if "<<<" in words else ""
        words = [self._filled(word) for word in (words[: words.index("<<<")] if stdin else words)]
        done = self.cli(*words, stdin=stdin, RESOLVER_TOKEN=self.tokens[who])
        if keep:
            found = TOKEN.search(done.stdout)
            assert found, done.stderr
            self.tokens[keep] = found.group()
        # What a client says of blueprints is marked so in the audit trail.
        stdout = done.stdout.replace('    "claimed": true,\n', "").replace('\\"claimed\\":true,', "")
        return self._steady(f"exit code {done.returncode}\n{stdout}\n-- stderr --\n{done.stderr}")

    def _filled(self, word: str) -> str:
        if word == "@file":
            return str(self.folder / "file")
        return self.tokens[word[1:]].split("-")[1] if word.startswith("@") else word

    def _steady(self, text: str) -> str:
        text = TOKEN.sub("TOKEN", text).replace(str(self.folder), "FOLDER")
        for name, token in self.tokens.items():
            if (found := TOKEN.match(token)) is not None:
                text = text.replace(found.group(1), f"<{name}>")
        for name, pattern in VOLATILE.items():
            text = pattern.sub(name, text)
        return text


def differences(modes: tuple[Mode, Mode], name: str) -> list[str]:
    """The steps that do not end as expected, or not in the same way in both modes."""
    found: list[str] = []
    for line in (SCENARIOS / f"{name}.txt").read_text().splitlines():
        code, step = line.split(maxsplit=1)
        here, there = (mode.run(step) for mode in modes)
        if here != there:
            found += ["", step, *difflib.ndiff(here.splitlines(), there.splitlines())]
        elif not here.startswith(f"exit code {code}\n"):
            found += ["", step, f"expected {code}", here]
    return found


@contextlib.contextmanager
def both(prefork: Prefork, folder: Path, *tokens: dict[str, str]) -> Iterator[tuple[Mode, Mode]]:
    """The same store twice: one on this machine, and one behind a server."""
    here, there = folder / "here", folder / "there"
    with serving(there / "home") as url:
        local = Cli(prefork, {"RESOLVER_HOME": str(here / "home")})
        remote = Cli(prefork, {"RESOLVER_HOME": "/nonexistent", "RESOLVER_URL": url})
        yield Mode(local, here, dict(tokens[0])), Mode(remote, there, dict(tokens[-1]))


@pytest.fixture(scope="module")
def set_up(
    prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str], dict[str, str]]:
    """Both stores with what the scenarios begin with, and the tokens for each."""
    folder = tmp_path_factory.mktemp("set-up")
    for name in ("here", "there"):
        shutil.copytree(_made_home, folder / name / "home")
    tokens = {
        "admin": token_of(_made_home),
        "bad": f"ctok-{'a' * 10}-{'b' * 40}",
        "malformed": "nonsense",
    }
    with both(prefork, folder, tokens) as modes:
        assert differences(modes, "set_up") == []
    return folder, modes[0].tokens, modes[1].tokens


@pytest.fixture
def modes(
    prefork: Prefork, set_up: tuple[Path, dict[str, str], dict[str, str]], tmp_path: Path
) -> Iterator[tuple[Mode, Mode]]:
    """Copies of them."""
    folder, *tokens = set_up
    with both(prefork, shutil.copytree(folder, tmp_path / "copy"), *tokens) as modes:
        yield modes


@pytest.mark.parametrize("name", NAMES)
def test_both_modes_say_the_same(modes: tuple[Mode, Mode], name: str) -> None:
    """Exit code, output and messages of each command, for each role, are the same in both modes."""
    if found := differences(modes, name):
        pytest.fail("\n".join(found))
