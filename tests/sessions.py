"""Runs what a page of the documentation says to type, on a terminal, as one who pastes it does."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tests.waiting import terminal_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SEPARATOR = "\x1e"
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?^(?P<indent> *)```(?P<language>\w+)"
    r"(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block of a page.

    Args:
        language: after the fence.
        title: the file that it is the content of, or of a shell's block the machine that it is typed on.
        text: its lines.
        reason: why no test can run it; empty when one does.
    """

    language: str
    title: str
    text: str
    reason: str


def fenced(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    return [
        Block(
            found["language"],
            found["title"] or "",
            re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            found["reason"] or "",
        )
        for found in FENCE.finditer(page)
    ]


def blocks(page: str, language: str) -> list[str]:
    """The texts of the fenced blocks of a language, in order."""
    return [block.text for block in fenced(page) if block.language == language]


def steps(session: str) -> list[tuple[str, str]]:
    """The commands of a session with the output that is printed below each."""
    found: list[tuple[str, str]] = []
    for piece in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, output = piece.partition("\n")
        found.append((command, output))
    return found


def pattern(output: str) -> re.Pattern[str]:
    """What an output must match: itself, with `...` for anything."""
    return re.compile(re.escape(output).replace(re.escape("..."), ".*"), re.DOTALL)


_WRITTEN_OVER = re.compile(r"[^\n\x1e]*\r\x1b\[K")


def run_on_terminal(script: str, folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a shell script on a terminal; its status, and all that appears there and stays.

    What is written over on a line does not: a busy machine shows more of a program's progress.
    """
    path = folder / "session.sh"
    path.write_text(script)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["bash", path],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        cwd=folder,
        start_new_session=True,
    ) as shell:
        os.close(theirs)
        shown = b"".join(terminal_output(ours))
        status = shell.wait(timeout=60)
    return status, _WRITTEN_OVER.sub("", shown.decode().replace("\r\n", "\n"))


SERVER = """
resolver() {  # a server goes on while the page does
  if [ "$1" != serve ]; then command resolver "$@"; return; fi
  shift
  command resolver serve --drain-delay 0 --port "$PAGE_PORT" "$@" 2> "$PAGE_ROOT/server.log" &
  servers+=($!)
  for _ in $(seq 600); do grep -q listening "$PAGE_ROOT/server.log" && return; sleep 0.1; done
  cat "$PAGE_ROOT/server.log"; return 1
}
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; wait' EXIT
on() {  # a machine: it has a home and settings of its own, and what one carries about is in this folder
  [ "$HOME" = "$PAGE_ROOT/machines/$1" ] && return
  if [ -n "${at:-}" ]; then unset RESOLVER_URL RESOLVER_TOKEN RESOLVER_TENANT; fi
  at=$1
  export HOME=$PAGE_ROOT/machines/$1
  export RESOLVER_HOME=$HOME/.local/share/blueprint-resolver
  mkdir -p "$HOME"
}
on 'this one'
"""


def script_of(page: Sequence[Block], replaced: Mapping[str, str]) -> Iterator[tuple[str, Block | None, str]]:
    """What to run for each step of a page, the block it is from, and the output that it must have.

    Args:
        page: its blocks.
        replaced: texts that stand for what only a reader has, such as a server's URL, and what a test has.
    """
    for block in page:
        if block.reason:
            continue
        text = block.text
        for word, meant in replaced.items():
            text = text.replace(word, meant)
        if block.language in {"sh", "console"}:
            yield f"on {shlex.quote(block.title or 'this one')}\n", None, ""
        if block.language == "sh":
            yield f"set -e\n{text}\nset +e\n", block, "..."
        elif block.language == "console":
            yield from ((f"{command}\n", block, output) for command, output in steps(text))
        elif block.title:
            path = shlex.quote(block.title).replace("'~/", "~/'")
            write = f"mkdir -p \"$(dirname {path})\"\ncat > {path} <<'END OF FILE'\n{text}END OF FILE\n"
            yield f"{write}chmod go-w {path}\n", None, ""


def run_page(
    page: Sequence[Block],
    folder: Path,
    environ: Mapping[str, str],
    replaced: Mapping[str, str],
    before: str = "",
) -> None:
    """Run a page from its first block to its last in one shell, and compare what it prints.

    Args:
        page: its blocks.
        folder: where the reader stands.
        environ: the environment, with `PAGE_ROOT` and `PAGE_PORT`.
        replaced: as for `script_of`.
        before: what the reader has done already.

    Raises:
        AssertionError: a command failed, or printed something else.
    """
    parts = list(script_of(page, replaced))
    text = f"{SERVER}\nset -e\n{before}\nset +e\n"
    text += "".join(f"printf '\\036'\n{command}" for command, _, _ in parts)
    status, shown = run_on_terminal(f"{text}printf '\\036'\n", folder, environ)
    outputs = shown.split(SEPARATOR)[1:]
    for (command, block, expected), output in zip(parts, outputs, strict=False):
        ended = "" if len(outputs) > len(parts) else f" ended the page with {status}"
        last = output is outputs[-1]
        assert not (last and ended), f"{command}{ended}:\n{output}"
        if block is not None:
            assert pattern(expected).fullmatch(output), f"$ {command}{output}"
    assert len(outputs) == len(parts) + 1, f"the page ended with {status}:\n{shown}"
