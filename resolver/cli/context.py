"""What commands share: settings, the opened store, the caller, and the options that many of them have."""

from __future__ import annotations

import enum
import functools
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import click

from resolver.cli.known_names import complete_tenants
from resolver.cli.output import OutputFormat, say
from resolver.errors import ResolverError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.config.identity import IdentitySource
    from resolver.config.settings import Settings
    from resolver.core.model import Caller
    from resolver.core.ports.service import AnyService
    from resolver.core.providers import ProviderType
    from resolver.plugins.manager import Plugins
    from resolver.plugins.payloads import DeliveryTarget
    from resolver.service import Service

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=enum.StrEnum)
F = TypeVar("F", bound="Callable[..., Any] | click.Command")


class App:
    """What one run of a command works with: settings, the service, the caller.

    Args:
        token_file: the file named by `--token-file`.
        identity: what `--identity` says.
        lacks: what hardening could not do.
        target: the plugin that the run delivers to.
        require_hardening: whether a lack is an error.
        arguments: the command line as it was given.
    """

    def __init__(self, lacks: Sequence[str] = (), arguments: Sequence[str] = ()) -> None:
        self.token_file: Path | None = None
        self.identity: str | None = None
        self.lacks = lacks
        self.target: DeliveryTarget | None = None
        self.require_hardening = False
        self.arguments = arguments

    @cached_property
    def settings(self) -> Settings:
        """The settings."""
        from resolver.config.settings import Settings  # noqa: PLC0415 - as below

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

    @property
    def identity_source(self) -> IdentitySource | None:
        """Where the identity of this workload comes from; None for who has a token."""
        return self.settings.identity(self.identity, self.token_file)

    def withheld(self, always: frozenset[str], *, keep: bool = False) -> frozenset[str]:
        """The variables that nothing inherits which this run starts.

        Args:
            always: those that open the store.
            keep: leave those with which GitHub is asked for an identity, for others than this store.
        """
        source = self.identity_source
        if source is None or (keep and not source.holds_jwt):
            return always
        return always | source.variables

    @cached_property
    def caller(self) -> Caller:
        """The authenticated caller."""
        source = self.identity_source
        if source is not None:
            from resolver.bootstrap.connect import identify  # noqa: PLC0415 - as above

            return identify(self.service, self.settings, source)
        token = self.settings.token(self.token_file)
        return self.service.gate.present_token(token)

    def identify_anew(self) -> None:
        """Exchange the identity of this workload once more, before the token of the last time ends."""
        self.__dict__.pop("caller", None)


def _plugin_types(names: Sequence[str], known: Mapping[str, ProviderType]) -> Mapping[str, ProviderType]:
    from resolver.plugins.manager import add_provider_types  # noqa: PLC0415 - few stores name one

    return add_provider_types(names, known)


_pass_app = click.make_pass_decorator(App, ensure=True)


class Decorator(Protocol):
    """What `click.option` returns: adds something to a command."""

    def __call__(self, command: F, /) -> F:
        """Add it."""


def options(*decorators: Decorator) -> Decorator:
    """Several options as one decorator. The page of help has them in the order given."""

    def add(command: F, /) -> F:
        """Give a command the options."""
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return add


def choice_option(
    *names: str,
    choices: type[E],
    default: E | None = None,
    required: bool = False,
    help: str,  # noqa: A002 - click's name for it
) -> Decorator:
    """An option that takes the values of an enum; the command gets the member, or None."""

    def member(_context: click.Context, _parameter: click.Parameter, value: str | None) -> E | None:
        return None if value is None else choices(value)

    # Without a default none must be passed on: None would be taken for a value that was given.
    settings: dict[str, Any] = {} if default is None else {"default": default.value, "show_default": True}
    words = click.Choice([choice.value for choice in choices])
    return click.option(*names, type=words, required=required, callback=member, help=help, **settings)


def overlap_option(text: str) -> Decorator:
    """For how long what is rotated is still good beside its successor.

    Args:
        text: its help.
    """
    from resolver.core.account_changes import DEFAULT_OVERLAP  # noqa: PLC0415 - two commands have it

    return click.option("--overlap", default=DEFAULT_OVERLAP, show_default=True, metavar="TIME", help=text)


def _keep_token_file(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(App).token_file = value


def _keep_identity(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(App).identity = value


def _require_hardening(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    app = context.ensure_object(App)
    app.require_hardening = app.require_hardening or value
    if value and app.lacks:
        raise not_hardened(app.lacks)


def not_hardened(lacks: Sequence[str]) -> UnavailableError:
    """The error of `--require-hardening` where something is lacking."""
    return UnavailableError(f"this process is not hardened: {'; '.join(lacks)}")


_CREDENTIAL_OPTIONS = (
    click.option(
        "--token-file",
        type=click.Path(path_type=Path, readable=False),
        expose_value=False,
        callback=_keep_token_file,
        help="File with the access token, instead of RESOLVER_TOKEN or the profile.",
    ),
    click.option(
        "--identity",
        metavar="SOURCE",
        expose_value=False,
        callback=_keep_identity,
        help="Identify this workload by what its platform signs for it: github, gitlab, kubernetes, "
        "env:NAME, file:PATH or command:WORDS. For a server.",
    ),
)
_PROCESS_OPTIONS = (
    click.option(
        "--require-hardening",
        is_flag=True,
        expose_value=False,
        callback=_require_hardening,
        help="Fail when core files or access by other processes can't be turned off.",
    ),
    click.option("--debug", is_flag=True, expose_value=False, help="On an error, show where in the program."),
)


def common_options(command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Give a command the options that most commands have, and the `App` as its first argument."""
    return options(*_CREDENTIAL_OPTIONS)(local_options(command))


def local_options(command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Give a command that asks nobody who they are the options that every command has, and the `App`."""

    @functools.wraps(command)
    def advised(app: App, /, *args: P.args, **given: P.kwargs) -> R:
        try:
            return command(app, *args, **given)
        except ResolverError as error:
            from resolver.cli.advice import advise  # noqa: PLC0415 - for a mistake only

            advise(app, error, given)
            raise

    return options(*_PROCESS_OPTIONS)(_pass_app(advised))


tenant_option = click.option(
    "-t", "--tenant", metavar="TENANT", shell_complete=complete_tenants, help="Tenant to work in."
)

format_option = choice_option(
    "--format",
    "output_format",
    choices=OutputFormat,
    default=OutputFormat.TABLE,
    help="How to print the answer.",
)

part_options = options(
    click.option("--size", type=click.IntRange(min=0), metavar="NUMBER", help="List at most so many."),
    click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out so many at the start."),
)
"""The options of a list that can be had in parts."""


def confirm_deletion(question: str, *, yes: bool) -> None:
    """Ask on a terminal before a deletion, unless --yes was given; UsageError where there is no terminal."""
    confirm(question, yes=yes, doing="whether to delete", hint="give --yes to delete without asking")


def confirm(
    question: str, *, yes: bool, doing: str, hint: str = "give --yes to go on without asking"
) -> None:
    """Ask on a terminal, unless --yes was given.

    Raises:
        UsageError: there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to ask on {doing}", hint=hint)
    from resolver.cli.prompts import demand_yes  # noqa: PLC0415 - few commands ask

    demand_yes(question)
