"""The script in docs/ that checks an exported trail: it agrees with the program, and finds every change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run

SCRIPT = Path(__file__).parents[1] / "docs" / "verify_audit.py"


def verify(text: str, *arguments: str) -> tuple[int, str, str]:
    """Run the script, with nothing of this program to import; exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def exported() -> str:
    """An export of six records, made by the program's own functions."""
    from resolver.core.audit import AuditHead, extend  # noqa: PLC0415 - the script knows nothing of it

    entries = [{"at": "t", "action": "secret:use", "key": f"k{number}", "é": "\x1b"} for number in range(6)]
    head, records = extend(AuditHead("chain"), entries)
    lines = [{"format": "blueprint-resolver audit export/1", "chain": "chain", "tenant": "t"}]
    lines += [{"number": r.number, "hash": r.hash, "body": r.body.decode()} for r in records]
    lines += [{"head": {"number": head.number, "hash": head.hash}}]
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_what_the_command_exports_is_whole(run: Run, tmp_path: Path) -> None:
    """What the command exports verifies, with the head that it prints, from a file and from stdin."""
    for key in ("a", "b"):
        assert run("resolver", "secrets", "create", key, "-s", "exported_value").returncode == 0
    done = run("resolver", "audit", "export", "-t", "default_tenant")
    head = run("resolver", "audit", "head", "-t", "default_tenant").stdout.strip()
    assert (done.returncode, done.stderr) == (0, "")
    assert "exported_value" not in done.stdout
    path = tmp_path / "trail.jsonl"
    path.write_text(done.stdout)
    expected = (0, f"2 records, unbroken, head {head}\n", "")
    assert verify("", "--head", head, str(path)) == verify(done.stdout, "--head", head) == expected
    assert verify(done.stdout)[2].startswith("note: only a head that was kept elsewhere")


def _edit(old: str, new: str) -> Callable[[list[str], int], list[str]]:
    return lambda lines, at: [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]


DEEDS: dict[str, Callable[[list[str], int], list[str]]] = {
    "edited": _edit("secret:use", "secret:see"),
    "emptied": _edit('"body"', '"nobody"'),
    "no JSON": lambda lines, at: [*lines[:at], "x\n", *lines[at + 1 :]],
    "deleted": lambda lines, at: lines[:at] + lines[at + 1 :],
    "repeated": lambda lines, at: lines[: at + 1] + lines[at:],
    "swapped": lambda lines, at: [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
    "cut": lambda lines, at: lines[:at],
    "cut before the head": lambda lines, at: [*lines[:at], lines[-1]],
}


@pytest.mark.parametrize("deed", DEEDS)
def test_every_change_of_an_export_is_found(exported: str, deed: str) -> None:
    """Whichever record is edited, deleted, repeated, swapped or cut off: it is found, without a traceback."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import verify_audit  # type: ignore[import-not-found] # noqa: PLC0415 - a script for users, not ours
    finally:
        sys.path.pop(0)
    lines = exported.splitlines(keepends=True)
    assert verify_audit.check(lines)[0] == 6
    for at in range(1, 7):
        changed = DEEDS[deed](lines, at)
        with pytest.raises(verify_audit.BrokenError):
            pytest.fail(f"record {at}: {verify_audit.check(changed)}")
    code, out, error = verify("".join(DEEDS[deed](lines, 3)))
    assert (code, out) == (1, "")
    assert error.startswith("broken: ")
    assert error.count("\n") == 1


def test_a_kept_head_tells_a_trail_that_was_made_shorter(exported: str) -> None:
    """A trail cut with a fitting head is whole in itself; the head that was kept tells."""
    lines = exported.splitlines(keepends=True)
    last = json.loads(lines[4])
    shorter = [*lines[:5], json.dumps({"head": {"number": 4, "hash": last["hash"]}}) + "\n"]
    assert verify("".join(shorter))[0] == 0
    kept = json.loads(lines[-1])["head"]
    code, _, error = verify("".join(shorter), "--head", f"{kept['number']}:{kept['hash']}")
    expected = "broken: record 6 is not there, or not the one of the head that was kept\n"
    assert (code, error) == (1, expected)
    assert verify(exported, "--head", f"4:{last['hash']}")[0] == 0


@pytest.mark.parametrize("text", ["", "[]\n", "{}\n", '{"format": "another"}\n', "x"])
def test_what_is_no_export_is_told(text: str) -> None:
    """Another file is told apart from a broken trail; so is a head that is none."""
    code, out, error = verify(text)
    assert (code, out) == (2, "")
    assert error.startswith("not an export: ")
    assert verify("", "/nonexistent")[0] == verify(text, "--head", "9")[0] == 2
