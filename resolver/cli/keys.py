"""`resolver keys`: show and rotate root keys and data keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.output import OutputFormat, count, put, put_answer, put_done, put_table, say
from resolver.cli.progress import ProgressBar

if TYPE_CHECKING:
    from resolver.service.keys import KeysStatus, Rotated


@click.group
def keys() -> None:
    """Show and rotate the keys that secrets are encrypted with."""


@keys.command
@format_option
@common_options
def status(app: App, *, output_format: OutputFormat) -> None:
    """Show which keys there are, never a key itself.

    The root key that wraps opens data keys, of which each tenant has its own; these encrypt the secrets.
    """
    found = app.store.keys.status(app.caller)
    put_answer(output_format, _as_json(found), lambda: _put_status(found))


def _put_status(found: KeysStatus) -> None:
    put_table(
        ["ROOT KEY", "USE", "DATA KEYS", "SINCE", "AT HAND FROM"],
        [
            [key.id, "wraps" if key.wraps else "opens", key.data_keys, key.since, key.source]
            for key in found.root_keys
        ],
        spare=["SINCE"],
    )
    put("")
    put_table(
        ["TENANT", "DATA KEY", "STATE", "SEALED", "ROOT KEY", "CREATED"],
        [
            [key.tenant or "(system)", key.id, key.state, key.sealed, key.root_key_id, key.created_at]
            for key in found.data_keys
        ],
        spare=["CREATED", "SEALED"],  # before ids are cut, which commands take
    )
    for root_key in found.root_keys:
        if root_key.data_keys and root_key.source is None:
            say(f"warning: root key {root_key.id} is not at hand, and {root_key.data_keys} data keys need it")
    if any(key.state != "active" for key in found.data_keys):
        say("note: a rotation is under way or was interrupted; running it again takes it up")


def _as_json(found: KeysStatus) -> dict[str, object]:
    return {
        "root_keys": [
            {
                "id": key.id,
                "wraps": key.wraps,
                "since": key.since,
                "at_hand_from": key.source,
                "data_keys": key.data_keys,
            }
            for key in found.root_keys
        ],
        "data_keys": [
            {
                "id": key.id,
                "tenant": key.tenant,
                "state": key.state,
                "sealed": key.sealed,
                "root_key": key.root_key_id,
                "created_at": key.created_at,
            }
            for key in found.data_keys
        ],
    }


@keys.command(name="rotate-root")
@click.option("--to", "to", required=True, metavar="ID", help="The root key that is to wrap from now on.")
@format_option
@common_options
def rotate_root(app: App, *, to: str, output_format: OutputFormat) -> None:
    """Have another root key wrap the data keys.

    Give the new key to every resolver of the store first: until then it only opens. Then nothing depends on
    the old one any more, which is proved by decrypting everything with the new one alone.
    """
    with ProgressBar(app.store.keys.steps(app.caller, proof_only=True)) as bar:
        done = app.store.keys.rotate_root(app.caller, to, bar)
    _put_result(output_format, done, f"Root key {to} wraps all data keys, {done.keys} of them anew")


@keys.command(name="rotate-data")
@click.option("-t", "--tenant", default="", metavar="TENANT", help="Only this tenant's; else all.")
@format_option
@common_options
def rotate_data(app: App, *, tenant: str, output_format: OutputFormat) -> None:
    """Replace data keys, and encrypt everything anew.

    That is all versions of all secrets. Others can work meanwhile. An interrupted run loses nothing, and
    the next one takes it up.
    """
    with ProgressBar(app.store.keys.steps(app.caller, tenant)) as bar:
        done = app.store.keys.rotate_data(app.caller, tenant, bar)
    if done.resumed:
        say("note: this finished what an earlier run had begun; run it again for new keys")
    _put_result(
        output_format,
        done,
        f"{count(done.keys, 'data key')} replaced, {count(done.resealed, 'stored value')} encrypted anew",
    )


def _put_result(output_format: OutputFormat, done: Rotated, what: str) -> None:
    unreadable = [
        {"tenant": tenant, "about": about, "reason": reason} for tenant, about, reason in done.unreadable
    ]
    facts = {name: getattr(done, name) for name in ("keys", "resealed", "proved", "resumed", "wiped")}
    text = f"{what}; {count(done.proved, 'stored value')} proved to open with the new key alone"
    put_done(output_format, text, {**facts, "unreadable": unreadable})
    if not done.wiped:
        say("note: another process was reading an older state, so the database's log still holds old pages")
    for tenant, about, reason in done.unreadable:
        say(f"error: {about}{f' in tenant {tenant!r}' if tenant else ''} is unreadable: {reason}")
    if done.unreadable:
        from resolver.service.keys import unreadable_error  # noqa: PLC0415 - slow to load, and rarely needed

        raise unreadable_error(done)
