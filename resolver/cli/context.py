"""What commands share: settings, the opened store, the caller, and the options that select them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from resolver.cli.output import say
from resolver.config.settings import Settings
from resolver.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.bootstrap.connect import AnyService
    from resolver.core.model import Caller
    from resolver.core.providers import ProviderType
    from resolver.plugins.manager import Plugins
    from resolver.plugins.payloads import DeliveryTarget
    from resolver.service import Service

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class App:
    """One command's surroundings.

    Args:
        token_file: the file named by `--token-file`.
        lacks: what hardening could not do.
        target: the plugin that the run delivers to.
        require_hardening: whether a lack is an error.
        arguments: the command line as it was given.
    """

    token_file: Path | None = None
    lacks: list[str] = field(default_factory=list)
    target: DeliveryTarget | None = None
    require_hardening: bool = False
    arguments: Sequence[str] = field(default=(), repr=False)

    @cached_property
    def settings(self) -> Settings:
        """The settings."""
        return Settings(os.environ)

    @cached_property
    def service(self) -> AnyService:
        """The opened store, or the server that has it; closed with the command."""
        from resolver.bootstrap.connect import open_any  # noqa: PLC0415 - not for a page of help

        service = open_any(self.settings, _plugin_types, warn=lambda text: say(f"warning: {text}"))
        click.get_current_context().find_root().call_on_close(service.close)
        return service

    @property
    def store(self) -> Service:
        """The store in this process, for what no server offers.

        Raises:
            UsageError: it is on a server.
        """
        from resolver.service import Service  # noqa: PLC0415 - not for a server

        if self.settings.server_url is not None or not isinstance(self.service, Service):
            raise UsageError(
                "this works where the store is, and a server has it",
                hint="run it there; RESOLVER_URL or the profile names the server",
            )
        return self.service

    @cached_property
    def plugins(self) -> Plugins | None:
        """The plugins that the command or `config.yaml` names, loaded; None without any."""
        if self.target is None and not self.settings.plugins:
            return None
        from resolver.plugins.manager import Plugins  # noqa: PLC0415 - few runs name one

        return Plugins(self.settings.plugins, self.target)

    @cached_property
    def caller(self) -> Caller:
        """The authenticated caller."""
        token = self.settings.token(self.token_file)
        return self.service.gate.present_token(token)


def _plugin_types(names: Sequence[str], known: Mapping[str, ProviderType]) -> Mapping[str, ProviderType]:
    from resolver.plugins.manager import add_provider_types  # noqa: PLC0415 - few stores name one

    return add_provider_types(names, known)


pass_app = click.make_pass_decorator(App, ensure=True)


def _keep_token_file(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(App).token_file = value


def _require_hardening(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    app = context.ensure_object(App)
    app.require_hardening = app.require_hardening or value
    if value and app.lacks:
        raise not_hardened(app.lacks)


def not_hardened(lacks: Sequence[str]) -> UnavailableError:
    """What `--require-hardening` makes of something lacking."""
    return UnavailableError(f"this process is not hardened: {'; '.join(lacks)}")


def common_options(command: Callable[P, R]) -> Callable[P, R]:
    """The options that every command has."""
    for option in (
        click.option(
            "--debug", is_flag=True, expose_value=False, help="On an error, show where in the program."
        ),
        click.option(
            "--require-hardening",
            is_flag=True,
            expose_value=False,
            callback=_require_hardening,
            help="Fail when core files or access by other processes can't be turned off.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path, readable=False),
            expose_value=False,
            callback=_keep_token_file,
            help="File with the access token, instead of RESOLVER_TOKEN or the profile.",
        ),
    ):
        command = option(command)
    return command


tenant_option = click.option("-t", "--tenant", metavar="TENANT", help="Tenant to work in.")

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)


def part_options(command: Callable[P, R]) -> Callable[P, R]:
    """The options of a list that can be had in parts."""
    number = click.IntRange(min=0)
    command = click.option("--offset", type=number, default=0, help="Leave out so many at the start.")(
        command
    )
    return click.option("--size", type=number, metavar="NUMBER", help="List at most so many.")(command)


def confirm_deletion(question: str, *, yes: bool) -> None:
    """Ask on a terminal, unless told not to.

    Raises:
        UsageError: there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask on whether to delete", hint="give --yes to delete without asking"
        )
    click.confirm(question, abort=True, err=True)
