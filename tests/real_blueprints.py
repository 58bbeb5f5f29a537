"""Where the real, public blueprints are that tests run against; they are no part of this project."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORPUS = Path(os.environ.get("RESOLVER_TEST_CORPUS") or ROOT.parent / "shared" / "corpus")
BLUEPRINTS = sorted(CORPUS.glob("cloudify-*/**/*.yaml"))
"""Those in Cloudify's DSL. The corpus has TOSCA examples, too, which are not evaluated here yet."""

SKIPPED = "the corpus of real blueprints is not beside this checkout"
