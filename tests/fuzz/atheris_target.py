"""Fuzz with atheris, which learns from what each input reaches.

`python -m tests.fuzz.atheris_target -runs=N`, from the checkout; the arguments are libFuzzer's.
"""

from __future__ import annotations

import atexit
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["resolver.blueprint", "resolver.dsl", "yaml"]):
    from tests.fuzz.target import Fuzzed

from tests.fuzz.seeds import PIECES, seeds

LIMITS = ("-timeout=120", "-rss_limit_mb=2048", "-max_len=1000", "-only_ascii=0")
"""libFuzzer's clock is the one on the wall, which runs on while others have the processor: it catches what
never ends, and `Fuzzed` what computes too long."""

LONGEST_WORD = 63
"""Longest word of a dictionary, in bytes; libFuzzer refuses more."""


def main() -> None:
    """Run libFuzzer until it finds something, or has run as often as asked for."""
    fuzzed = Fuzzed()
    atexit.register(lambda: sys.stderr.write(f"{fuzzed}\n"))
    with tempfile.TemporaryDirectory() as made:
        corpus, words = Path(made, "corpus"), Path(made, "words")
        corpus.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / str(number)).write_bytes(seed)
        encoded = [word for piece in PIECES if len(word := piece.encode()) <= LONGEST_WORD]
        words.write_text(
            "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in encoded)
        )
        atheris.Setup(
            [sys.argv[0], *LIMITS, f"-dict={words}", f"-artifact_prefix={made}/", *sys.argv[1:], str(corpus)],
            fuzzed.take,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
