"""The documentation site: its reference is what the code says, and it builds twice alike."""

from __future__ import annotations

import filecmp
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MOST_WORDS = 35
MOST_BYTES = 120_000


def script(name: str) -> ModuleType:
    """A script of the site, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, pictures = script("reference"), script("pictures")


def sentences(text: str) -> list[str]:
    """The sentences of a page: of paragraphs, entries of lists, cells of tables."""
    text = re.sub(r"^( *)```.*?^\1```$|<!--.*?-->", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"^ *(?:[-*]|\d+\.) |^(?=\|)|(?<!\\)\|", "\n\n", text, flags=re.MULTILINE)
    end = re.compile(r"(?<=[.!?])[\"')*_]*\s+")
    return [sentence for part in re.split(r"\n\s*\n", text) for sentence in end.split(part)]


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    """The pages that a script writes are what it writes now."""
    written = (DOCS / "reference" / name).read_text()
    assert written == reference.PAGES[name](), "run .ci/site/reference.py"


@pytest.mark.parametrize("name", pictures.DRAWINGS)
def test_the_drawings_are_what_they_are_drawn_from(name: str) -> None:
    """The drawings show today's layers and README's session, which a test runs."""
    assert (DOCS / "pictures" / name).read_text() == pictures.DRAWINGS[name](), "run .ci/site/pictures.py"


def test_pictures_are_small() -> None:
    """A page with its pictures loads at once, also over a slow line."""
    assert max(path.stat().st_size for path in (DOCS / "pictures").iterdir()) < MOST_BYTES


def test_the_reference_names_the_variables() -> None:
    """The variables that the program reads and sets, and no others, are in the tables."""
    source = "".join(path.read_text() for path in sorted((ROOT / "resolver").rglob("*.py")))
    named = set(re.findall(r"RESOLV(?:ER|ED)_[A-Z_]*[A-Z]", source))
    assert {*reference.VARIABLES, *reference.GIVEN} == named


def test_sentences_are_counted() -> None:
    """A sentence ends with a stop, a cell, an entry; code counts by its words, blocks do not."""
    text = "# One\n\nTwo three. Four\nfive: `six`.\n\n```sh\nno\n```\n- Eight\n- nine\n\n| ten | a\\|b |\n"
    found = [" ".join(sentence.split()) for sentence in sentences(text)]
    assert [sentence for sentence in found if sentence] == [
        "# One",
        "Two three.",
        "Four five: `six`.",
        "Eight",
        "nine",
        "ten",
        "a\\|b",
    ]


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_no_sentence_is_long(page: Path) -> None:
    """A sentence has 35 words at most."""
    long = [sentence for sentence in sentences(page.read_text()) if len(sentence.split()) > MOST_WORDS]
    assert long == []


def build(folder: Path) -> None:
    """Build the site with the project's own command."""
    pytest.importorskip("zensical", reason="pip install '.[docs]'")
    assert shutil.which("zensical", path=str(Path(sys.executable).parent))
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = [ROOT / ".ci" / "site" / "build", folder]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_site_builds_twice_alike(tmp_path: Path) -> None:
    """Two builds are the same byte for byte; every page is there, and nothing in it comes from elsewhere."""
    one, two = tmp_path / "one", tmp_path / "two"
    build(one)
    build(two)
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(two)) for path in two.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(one, two, names, shallow=False) == (names, [], [])
    pages = [str(path.relative_to(DOCS).with_suffix(".html")) for path in DOCS.rglob("*.md")]
    assert set(pages) < set(names)
    for path in [*one.rglob("*.html"), *one.rglob("*.css")]:
        loaded = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"?([^\"\s>]+)", path.read_text()
        )
        loaded += re.findall(r"url\(['\"]?([^)'\"]+)|@import ['\"]([^'\"]+)", path.read_text())
        foreign = [url for url in loaded if re.match(r"(?:https?:)?//", str(url))]
        assert foreign == [], path
        assert 'class="mermaid"' not in path.read_text(), (
            "its pictures would be drawn by a script from elsewhere"
        )
