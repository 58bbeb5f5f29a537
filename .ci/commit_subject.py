#!/usr/bin/env python3
"""Check the subject of a commit's message: `place: what is so from now on`, in at most 72 characters.

As a commit-msg hook it is given the file that the message is in.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LONGEST = 72
PLACES = re.compile(r"[a-z0-9_.-]+(/[a-z0-9_.-]+)*(, [a-z0-9_.-]+(/[a-z0-9_.-]+)*)*: \S")
MADE_BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")


def problem(message: str) -> str:
    """What is wrong with a message's subject; empty when nothing is."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(MADE_BY_GIT):
        return ""
    if not PLACES.match(subject):
        return f"the subject begins with the place, as in `store: bind tokens to their row`, not {subject!r}"
    if len(subject) > LONGEST:
        return f"the subject has {len(subject)} characters, {LONGEST} is the most: {subject!r}"
    if len(lines) > 1 and lines[1].strip():
        return f"an empty line follows the subject, not {lines[1]!r}"
    return ""


if __name__ == "__main__":
    sys.exit(problem(Path(sys.argv[1]).read_text(encoding="utf-8")) or 0)
