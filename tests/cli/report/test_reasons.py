"""Every reason code is explained and documented."""

from __future__ import annotations

import re
from pathlib import Path

from resolver.cli.exit_codes import REASON_EXIT_CODES
from resolver.cli.report.reasons import HELP
from resolver.dsl.problems import Reason

ROOT = Path(__file__).parents[3]


def test_every_reason_is_explained() -> None:
    """Reports explain every code, in words that begin and end as they should."""
    assert set(HELP) == set(Reason)
    for explained in HELP.values():
        assert explained.means
        assert explained.means[-1] != "."
        assert explained.remedy[0].isupper() or explained.remedy[0] in "`-s"
        assert explained.remedy[-1] == "."


def test_every_reason_is_documented() -> None:
    """The page on blueprints has a row for every code, with its exit code."""
    page = (ROOT / "docs" / "blueprints.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (\d) \| .+ \|$", page, re.MULTILINE))
    assert rows == {str(reason): str(REASON_EXIT_CODES.get(reason, 3)) for reason in Reason}
