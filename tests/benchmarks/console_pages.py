"""How long each page of the console computes, and how long it takes to its first rows.

`python -m tests.benchmarks.console_pages [SECRETS]`, with 300 secrets unless told otherwise; needs chromium.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.console.conftest import ARGUMENTS, CHROMIUM, consoles
from tests.console.test_secrets import fill

PAGES = {
    "secrets": "tbody tr",
    "check": "textarea",
    "uses": "h1",
    "audit": "tbody tr",
    "trusts": "h1",
    "tenants": "tbody tr",
    "users": "tbody tr",
    "account": "h1",
}
RUNS = 5


def main() -> None:
    """Print a line for each page: milliseconds of scripts, and to its first rows; the median of some runs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with sync_playwright() as started, tempfile.TemporaryDirectory() as folder:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        with consoles(browser, Path(folder)) as console:
            fill(console, count)
            context = console.context("admin")
            sys.stdout.write(f"{count} secrets; milliseconds\n")
            for place, rows in PAGES.items():
                found = []
                for _ in range(RUNS):
                    page = context.new_page()
                    metrics = context.new_cdp_session(page)
                    metrics.send("Performance.enable")
                    begun = time.perf_counter()
                    page.goto(f"{console.live.url}/console/#/home/{place}")
                    page.locator(f"main {rows}").first.wait_for()
                    shown = time.perf_counter() - begun
                    page.wait_for_load_state("networkidle")
                    told = metrics.send("Performance.getMetrics")["metrics"]
                    script = next(one["value"] for one in told if one["name"] == "ScriptDuration")
                    found.append((script * 1000, shown * 1000))
                    page.close()
                script, shown = (sorted(kind)[RUNS // 2] for kind in zip(*found, strict=True))
                sys.stdout.write(f"{place:8} scripts {script:6.0f}   first rows {shown:6.0f}\n")
        browser.close()


if __name__ == "__main__":
    main()
