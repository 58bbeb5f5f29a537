#!/usr/bin/env python3
"""Draws the pictures of the documentation from the import contracts, from README, and from what stands below.

`.ci/site/pictures.py` writes the drawings; with `--console` a browser also takes pictures of the console.
tests/test_site.py fails when a drawing is stale.
"""

from __future__ import annotations

import contextlib
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import time
import tomllib
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from playwright.sync_api import BrowserType

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures"
PASSWORD = "a password for the pictures"  # noqa: S105 - of a store that lasts for a minute
MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
STYLE = f"""
text {{ font: 14px system-ui, sans-serif; fill: #1f2430 }}
.m {{ font-family: {MONO}; font-size: 13px; white-space: pre }} .s {{ font-size: 12.5px; fill: #566072 }}
.b {{ font-weight: 600 }} .c {{ text-anchor: middle }} .e {{ fill: #b3261e }} .h {{ fill: #566072 }}
.back {{ fill: #fff; stroke: #d5dae3 }} .box {{ fill: #eef2fa; stroke: #5b77b5 }}
.zone {{ fill: none; stroke: #b3261e; stroke-dasharray: 7 5; stroke-width: 1.6 }}
.line {{ fill: none; stroke: #566072; stroke-width: 1.4 }} .tip {{ fill: #566072 }}
.life {{ stroke: #c3cad8 }} .loop {{ fill: none; stroke: #5b77b5; stroke-dasharray: 3 3 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e3e7ef }} .s, .h {{ fill: #a3adbf }} .e {{ fill: #ff8f86 }} .zone {{ stroke: #ff8f86 }}
.back {{ fill: #1b1f27; stroke: #3a4252 }} .box {{ fill: #263149; stroke: #7f9bd8 }}
.line {{ stroke: #a3adbf }} .tip {{ fill: #a3adbf }} .life {{ stroke: #3f485a }} .loop {{ stroke: #7f9bd8 }}
}}
"""

LAYERS = (
    "started from outside",
    "the server, the Python interface",
    "plugins, console pages, construction",
    "one run over blueprints",
    "the service and its adapters",
    "slow checks, in a bounded process",
    "the DSL, the protocol",
    "access rules and records, the HTTP client",
    "what all of them raise",
)
"""What the layers of the import contract are, the outermost first."""

EMBEDDED = """
cli > service: token
service > store: user, roles, scope
service > cli: caller
cli > resolution: caller, tenant, texts, options
resolution > blueprint: read
blueprint > resolution: documents with positions
resolution > dsl: plan: find every call
[ until no call waits for a value
dsl > resolution: the keys needed now, with call sites
resolution > service: use: all keys at once
service > store: the caller's rights of this moment
service > policy: may the caller use secrets in this tenant?
service > store: metadata and ciphertext, one SELECT
service > policy: may the caller use this secret? each row
service > store: commit the audit records
service > crypto: open the data keys, decrypt
service > resolution: all values, or all refusals and no value
resolution > dsl: supply the values
]
cli > blueprint: render values in the places of the calls
blueprint > cli: text, written to the pipe
"""

REMOTE = """
resolution > client: use: all keys at once
client > protocol: keys and call sites as JSON
client > rest: POST /api/v1/resolver/use, with the token
rest > service: who has this token?
rest > protocol: body to record
rest > service: use, as the claim of a client
service > service: rights, policy, rows, policy, audit, decryption
service > rest: all values, or all refusals
rest > client: JSON, or an error with its class
client > resolution: the same answer, or the same error
"""

Box = tuple[int, int, int, int, str, str]


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A drawing with a background of its own, light or dark as the reader's system is."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>\n"
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>\n'
        f'<rect class="back" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words, quote=False)}</text>'


def arrow(points: str, both: bool = False) -> str:  # noqa: FBT001, FBT002 - a line has one head or two
    """A line with a head at its end."""
    start = ' marker-start="url(#a)"' if both else ""
    return f'<polyline class="line" points="{points}" marker-end="url(#a)"{start}/>'


def architecture() -> str:
    """The layers of the import contract, each above those that it may import."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    parts, top = [], 16
    for layer, caption in zip(layers, LAYERS, strict=True):
        rooms = layer.split(" | ")
        rows = [rooms[first : first + 5] for first in range(0, len(rooms), 5)]
        height = 34 * len(rows) + 8
        parts.append(text(20, top + height / 2 + 5, caption, "s"))
        for down, row in enumerate(rows):
            for across, room in enumerate(row):
                x, y = 290 + across * 106, top + 6 + down * 34
                parts.append(f'<rect class="box" x="{x}" y="{y}" width="102" height="28" rx="5"/>')
                parts.append(text(x + 51, y + 19, room, "m c"))
        top += height + 16
        if caption != LAYERS[-1]:
            parts.append(arrow(f"341,{top - 15} 341,{top + 2}"))
    return svg(830, top, "The rooms in their layers: imports point down", parts)


def sequence(title: str, order: str, steps: str) -> str:
    """Messages between participants, from the top down; `[` and `]` stand around what is repeated."""
    lines = [re.fullmatch(r"(\w+) > (\w+): (.*)|([\[\]]) ?(.*)", line) for line in steps.strip().splitlines()]
    found = [line for line in lines if line is not None]
    names, wide = order.split(), 132
    where = {name: 66 + wide * place for place, name in enumerate(names)}
    width, top, opened, parts = wide * len(names) + 150, 66, 0, []
    for line in found:
        if line[4] == "[":
            opened = top
            parts.append(text(18, top + 4, line[5], "s b"))
            top += 18
        elif line[4]:
            parts.append(
                f'<rect class="loop" x="10" y="{opened - 12}" width="{width - 20}" height="{top - opened}"/>'
            )
            top += 16
        else:
            start, end = where[line[1]], where[line[2]]
            parts.append(text(min(start, end) + 6, top, line[3], "s"))
            loop = f"{start},{top + 6} {start + 26},{top + 6} {start + 26},{top + 16} {start},{top + 16}"
            parts.append(arrow(loop if start == end else f"{start},{top + 6} {end},{top + 6}"))
            top += 34
    heads = []
    for name, x in where.items():
        heads.append(f'<line class="life" x1="{x}" y1="44" x2="{x}" y2="{top - 10}"/>')
        heads.append(f'<rect class="box" x="{x - 54}" y="14" width="108" height="30" rx="5"/>')
        heads.append(text(x, 34, name, "m c"))
    return svg(width, top, title, [*heads, *parts])


def boxes(found: Sequence[Box]) -> list[str]:
    """Boxes with a title and a line below it, each by its corner and its size."""
    parts = []
    for x, y, width, height, title, words in found:
        parts.append(f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>')
        parts.append(text(x + width / 2, y + 22, title, "b c"))
        parts += [
            text(x + width / 2, y + 42 + 17 * n, line, "s c") for n, line in enumerate(words.split("\n"))
        ]
    return parts


def trust() -> str:
    """The boundaries of trust: who is outside, what crosses, and where plaintext is."""
    parts = [
        '<rect class="zone" x="300" y="20" width="500" height="250" rx="10"/>',
        text(316, 44, "the server's machine: its administrators see all", "b e"),
        '<rect class="zone" x="16" y="20" width="250" height="420" rx="10"/>',
        text(32, 44, "a job, or a desk", "b e"),
        '<rect class="zone" x="560" y="300" width="240" height="140" rx="10"/>',
        text(576, 324, "the database's machine", "b e"),
        '<rect class="zone" x="300" y="300" width="230" height="140" rx="10"/>',
        text(316, 324, "external stores", "b e"),
    ]
    parts += boxes(
        [
            (36, 62, 210, 84, "blueprint, token", "no values; the token's rights\nare its user's, narrowed"),
            (36, 182, 210, 84, "resolver exec", "plaintext in memory only,\nhardened process"),
            (
                36,
                302,
                210,
                104,
                "your command",
                "gets the resolved blueprint;\nwhat it does with values\nis its own affair",
            ),
            (326, 62, 200, 84, "resolver serve", "decides, records,\nthen decrypts"),
            (576, 62, 200, 84, "root key", "file, command, or\na transit engine"),
            (576, 172, 200, 76, "web console", "a browser's client of the\nsame API, in a session"),
            (580, 344, 200, 76, "SQL database", "ciphertext, MACs on rows,\nthe audit trail"),
            (320, 344, 190, 76, "OpenBao, Vault", "asked at each use,\nallowed addresses only"),
        ]
    )
    parts += [
        arrow("141,146 141,182"),
        arrow("141,266 141,302"),
        arrow("246,206 286,206 286,104 326,104", both=True),
        text(252, 172, "TLS", "s b"),
        arrow("576,104 526,104"),
        arrow("576,210 470,210 470,146"),
        arrow("510,146 510,285 680,285 680,344", both=True),
        arrow("415,146 415,344"),
    ]
    return svg(
        816, 460, "Boundaries of trust: dashed lines are crossed by requests, never by root keys", parts
    )


def flow() -> str:
    """What the program is, in one picture."""
    parts = boxes(
        [
            (20, 40, 190, 82, "blueprint.yaml", "in version control:\nget_secret: db_password"),
            (
                270,
                20,
                270,
                122,
                "resolver exec",
                "1 may this caller use this secret?\n2 record it\n3 decrypt\n4 put it in place, in memory",
            ),
            (600, 40, 190, 82, "deploy", "your command gets a path\nthat leads to memory"),
            (270, 190, 120, 66, "database", "ciphertext, audit"),
            (420, 190, 120, 66, "root key", "kept apart"),
        ]
    )
    parts += [
        arrow("210,81 270,81"),
        arrow("540,81 600,81"),
        arrow("330,190 330,142", both=True),
        arrow("480,190 480,142"),
        text(578, 170, "never: a temporary file,", "s"),
        text(578, 188, "a log, a cache, a core dump", "s"),
    ]
    return svg(810, 276, "From a blueprint in version control to a command, through memory", parts)


def terminal() -> str:
    """README's first session, which a test runs on a terminal and compares."""
    block = re.search(r"^```console\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None  # noqa: S101 - a test says so before
    parts = ['<circle cx="22" cy="20" r="5" class="e"/><circle cx="40" cy="20" r="5" class="h"/>']
    parts += ['<circle cx="58" cy="20" r="5" class="box"/>']
    most, top, lines = 104, 50, []
    for line in block[1].splitlines():
        kind = "b" if line.startswith("$ ") else "e" if line.startswith("error") else "h"
        kind = "" if line.startswith("   ") else kind
        lines += [(line[start : start + most], kind) for start in range(0, len(line), most)]
    for line, kind in lines:
        parts.append(text(18, top, line, f"m {kind}"))
        top += 20
    return svg(860, top, "A terminal: a secret is used, and refused to one who may not use it", parts)


def console() -> None:
    """Take pictures of the console's list of secrets, light and dark, from a server with the samples."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only here

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        environ = {"PATH": os.environ["PATH"], "RESOLVER_HOME": str(home)}
        command = ["resolver", "init", "--sample", "--password-file", "-"]
        subprocess.run(command, env=environ, input=PASSWORD, text=True, check=True, capture_output=True)
        socket = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        port = socket.server_address[1]
        socket.server_close()
        serve = ["resolver", "serve", "--port", str(port)]
        with subprocess.Popen(serve, env=environ, stderr=subprocess.DEVNULL) as server:
            try:
                with sync_playwright() as started:
                    _photograph(started.chromium, f"http://127.0.0.1:{port}")
            finally:
                server.terminate()


def _photograph(chromium: BrowserType, url: str) -> None:
    """One picture in each colour scheme, of the list of secrets with one of them opened."""
    browser = chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 600})
        for _ in range(100):
            with contextlib.suppress(Exception):  # the server is not there yet
                page.goto(f"{url}/console/")
                break
            time.sleep(0.2)
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("table").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / f"console-{scheme}.png")


DRAWINGS = {
    "architecture.svg": architecture,
    "call-embedded.svg": lambda: sequence(
        "One call's way, with the store in this process",
        "cli resolution blueprint dsl service policy store crypto",
        EMBEDDED,
    ),
    "call-remote.svg": lambda: sequence(
        "The same call with a server", "resolution client protocol rest service", REMOTE
    ),
    "flow.svg": flow,
    "terminal.svg": terminal,
    "trust.svg": trust,
}


def main() -> None:
    """Write all drawings, and with `--console` the pictures of the console."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (FOLDER / name).write_text(draw())
    if "--console" in sys.argv[1:]:
        console()


if __name__ == "__main__":
    main()
