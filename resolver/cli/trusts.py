"""`resolver trusts`: which workloads act as which user, by the identities that their platforms give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from resolver.cli.confirmation import confirmed, old_password_option
from resolver.cli.context import App, choice_option, common_options, confirm_deletion, format_option, options
from resolver.cli.files import read_text
from resolver.cli.output import OutputFormat, put_answer, put_done, put_fields, put_part, say
from resolver.core.model import TrustKind
from resolver.core.permissions import Permission
from resolver.core.times import parse_time, read_time
from resolver.core.trusts import ClaimRule, NewTrust, Trust, TrustChange
from resolver.errors import NotPermittedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MOST = 128 * 1024
"""Most bytes that are read of a file: more than a server takes."""

_EPOCH = "1970-01-01T00:00:00.000Z"

_NAME = click.argument("name")

_PERMISSIONS = click.Choice([permission.value for permission in Permission])


@click.group
def trusts() -> None:
    """Manage which workloads act as which user, by the identities that their platforms give them."""


_fields = options(
    click.option(
        "--claim",
        "claims",
        multiple=True,
        metavar="NAME=PATTERN",
        help="What a claim has to be, as text; NAME:=JSON for a number or a boolean. NAME may be a JSON "
        "Pointer. In claims of refs, environments and workflows * is anything without / and :. Repeatable: "
        "several for one claim are alternatives.",
    ),
    click.option(
        "--claim-contains",
        "contained",
        multiple=True,
        metavar="NAME=TEXT",
        help="A list that has to contain a text. Repeatable.",
    ),
    click.option(
        "--audience", metavar="TEXT", help="Their only audience; the server's `public_url` by default."
    ),
    click.option(
        "-t", "--tenant", "tenants", multiple=True, metavar="TENANT", help="A tenant to act in. Repeatable."
    ),
    click.option("--key", "keys", multiple=True, metavar="GLOB", help="Keys like `prod_*`. Repeatable."),
    click.option(
        "--permission",
        "permissions",
        multiple=True,
        type=_PERMISSIONS,
        help="A permission to act with, as a rule secret:use. Repeatable.",
    ),
    click.option(
        "--lifetime",
        metavar="TIME",
        help="How long a token lives from the exchange, like 15m, the default; 1h at most.",
    ),
    click.option(
        "--exchanges",
        type=click.IntRange(min=1),
        metavar="NUMBER",
        help="How often one JWT is exchanged, where one serves a whole job; 50 by default.",
    ),
    click.option(
        "--jwks-file", metavar="FILE", help="The issuer's keys, for a server that can't fetch them."
    ),
    click.option(
        "--jwks-url", metavar="URL", help="Where the issuer's keys are, when discovery is not to say so."
    ),
    click.option(
        "--ca-file", metavar="FILE", help="Authorities that the issuer's server is verified against."
    ),
    click.option(
        "--unprotected-refs",
        is_flag=True,
        help="Of kind gitlab: jobs of branches and tags that are not protected fit, too.",
    ),
)


@trusts.command
@_NAME
@choice_option("--kind", choices=TrustKind, default=TrustKind.GENERIC, help="The kind of platform.")
@click.option(
    "--issuer", required=True, metavar="URL", help="Who signs the JWTs: their `iss`, byte for byte."
)
@click.option("--user", "username", required=True, metavar="NAME", help="The service user to act as.")
@_fields
@old_password_option
@format_option
@common_options
def create(
    app: App,
    /,
    *,
    name: str,
    kind: TrustKind,
    issuer: str,
    username: str,
    old_password_file: str | None,
    output_format: OutputFormat,
    **fields: Any,  # noqa: ANN401 - the options of `_fields`
) -> None:
    """Make a trust.

    Whoever shows a JWT that fits gets a token of a user for some minutes. It has what --tenant, --key and
    --permission leave of the user's rights; give all three.
    """
    needed = {"claims": (), "permissions": frozenset(), "tenants": frozenset(), "keys": ()}
    new = NewTrust(kind=kind, issuer=issuer, username=username, **(needed | _given(fields)))
    made = confirmed(app, old_password_file, lambda caller: app.service.trusts.create(caller, name, new))
    put_done(output_format, f"Trust `{name}` created", trust_fields(made))
    say(f"note: `resolver trusts test {name}` sees that the issuer's keys can be had")


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a trust that options give; those that are left out are not among them."""
    lifetime = fields["lifetime"]
    found = {
        "audience": fields["audience"],
        "claims": _rules(fields["claims"], fields["contained"]) or None,
        "permissions": frozenset(map(Permission, fields["permissions"])) or None,
        "tenants": frozenset(fields["tenants"]) or None,
        "keys": fields["keys"] or None,
        "lifetime": None if lifetime is None else _seconds(lifetime),
        "exchanges": fields["exchanges"],
        "jwks": _content(fields["jwks_file"]),
        "jwks_url": fields["jwks_url"],
        "ca": _content(fields["ca_file"]),
        "unprotected_refs": fields["unprotected_refs"] or None,
    }
    return {field: value for field, value in found.items() if value is not None}


@trusts.command
@_NAME
@click.option("--enable/--disable", "enabled", default=None, help="Turn it on or off; its tokens, too.")
@_fields
@click.option("--discovery", is_flag=True, help="Fetch the issuer's keys by discovery again.")
@old_password_option
@format_option
@common_options
def update(
    app: App,
    /,
    *,
    name: str,
    enabled: bool | None,
    discovery: bool,
    old_password_file: str | None,
    output_format: OutputFormat,
    **fields: Any,  # noqa: ANN401 - the options of `_fields`
) -> None:
    """Change a trust. What is given takes the place of all that was there of its kind.

    Where other JWTs fit afterwards, the tokens that came of it end at once.
    """
    given = _given(fields) | ({} if enabled is None else {"enabled": enabled})
    if discovery:
        given |= {"jwks": None, "jwks_url": None}
    elif "jwks" in given:
        given["jwks_url"] = None
    elif "jwks_url" in given:
        given["jwks"] = None
    if not given.keys() - {"unprotected_refs"}:
        raise UsageError("nothing is to be changed", hint="name what is, like --disable")
    wanted = TrustChange(**given)
    changed = confirmed(
        app, old_password_file, lambda caller: app.service.trusts.update(caller, name, wanted)
    )
    put_done(output_format, f"Trust `{name}` updated", trust_fields(changed))


@trusts.command(name="list")
@format_option
@common_options
def list_(app: App, *, output_format: OutputFormat) -> None:
    """List trusts; all of them for a sys_admin.

    Others see those for themselves.
    """
    rows = [trust_fields(trust) for trust in app.service.trusts.list(app.caller)]
    names = ("name", "kind", "issuer", "user", "claims", "narrowed", "enabled")
    headers = ["NAME", "KIND", "ISSUER", "USER", "CLAIMS", "NARROWED TO", "ENABLED"]
    cells = [[row[name] for name in names] for row in rows]
    put_answer(output_format, rows, lambda: put_part(headers, cells, 0, len(cells), "no trusts"))


@trusts.command
@_NAME
@format_option
@common_options
def get(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Show a trust."""
    row = trust_fields(app.service.trusts.get(app.caller, name))
    put_answer(output_format, row, lambda: put_fields(row))


@trusts.command
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@old_password_option
@format_option
@common_options
def delete(
    app: App, *, name: str, yes: bool, old_password_file: str | None, output_format: OutputFormat
) -> None:
    """Delete a trust; the tokens that came of it end at once."""
    confirm_deletion(f"Delete trust {name!r}?", yes=yes)
    confirmed(app, old_password_file, lambda caller: app.service.trusts.delete(caller, name))
    put_done(output_format, f"Trust `{name}` deleted", {"name": name})


@trusts.command
@_NAME
@click.option("--jwt-file", metavar="FILE|-", help="A JWT to be tried; - is stdin.")
@format_option
@common_options
def test(app: App, *, name: str, jwt_file: str | None, output_format: OutputFormat) -> None:
    """Say what does not fit, keys included.

    The issuer's keys are fetched, and a JWT is compared with the trust. Nothing is exchanged.
    """
    jwt = "" if jwt_file is None else read_text(jwt_file, _MOST, "JWT", holds_credential=True).strip()
    found = app.service.trusts.test(app.caller, name, jwt)
    row = {"fits": found.fits, "problems": list(found.problems), "key_ids": list(found.key_ids)}
    put_answer(
        output_format,
        row,
        lambda: put_fields(
            {
                "fits": "yes" if found.fits else "no",
                "keys": ", ".join(found.key_ids),
                "problems": "; ".join(found.problems),
            }
        ),
    )
    if not found.fits:
        raise NotPermittedError(f"trust {name!r}: {found.problems[0]}")


def trust_fields(trust: Trust) -> dict[str, Any]:
    """A trust, for a table or JSON."""
    scope = {"permissions": trust.permissions, "tenants": trust.tenants, "keys": trust.keys}
    return {
        "name": trust.name,
        "kind": trust.kind.value,
        "issuer": trust.issuer,
        "audience": trust.audience,
        "claims": ", ".join(map(_shown, trust.claims)),
        "user": trust.username,
        "narrowed": "; ".join(f"{part}: {', '.join(sorted(words))}" for part, words in scope.items()),
        "lifetime": trust.lifetime,
        "exchanges": trust.exchanges,
        "jwks": trust.jwks,
        "jwks_url": trust.jwks_url,
        "ca": trust.ca,
        "enabled": trust.enabled,
        "created_by": trust.created_by,
        "created_at": trust.created_at,
        "updated_at": trust.updated_at,
    }


def _shown(rule: ClaimRule) -> str:
    if rule.contains:
        return f"{rule.claim} contains {rule.value}"
    value = rule.value
    return f"{rule.claim}={value}" if isinstance(value, str) else f"{rule.claim}:={str(value).lower()}"


def _rules(claims: Iterable[str], contained: Iterable[str]) -> Sequence[ClaimRule]:
    return [*(_rule(text) for text in claims), *(_rule(text, contains=True) for text in contained)]


def _rule(text: str, *, contains: bool = False) -> ClaimRule:
    name, equals, value = text.partition("=")
    found: str | int | bool = value
    if name.endswith(":") and not contains:
        name = name[:-1]
        found = {"true": True, "false": False}.get(value, value)
        if isinstance(found, str):
            try:
                found = int(value)
            except ValueError:
                found = ""
    if not name or not equals or found == "":
        raise UsageError(
            f"{text!r} is no rule for a claim",
            hint="write NAME=TEXT, or NAME:=JSON for a whole number or a boolean",
        )
    return ClaimRule(name, found, contains)


def _seconds(text: str) -> int:
    at = parse_time(text, _EPOCH, "the lifetime")
    return int(read_time(at).timestamp())


def _content(file: str | None) -> str | None:
    return None if file is None else read_text(file, _MOST)
