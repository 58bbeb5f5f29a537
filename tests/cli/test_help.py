"""Every command and every option explains itself, in words that fit on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from resolver.cli.exit_codes import run
from resolver.cli.main import COMMANDS, resolver_group
from resolver.cli.resolve import resolve_command

if TYPE_CHECKING:
    from collections.abc import Iterator


GROUP_SETTINGS = resolver_group.context_settings
"""A command keeps the help option that it made first, so each test calls it with the group's settings."""


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group by its full name."""
    yield "resolve", resolve_command
    yield "resolver", resolver_group
    context = click.Context(resolver_group)
    for name in resolver_group.list_commands(context):
        command = resolver_group.get_command(context, name)
        assert command is not None
        yield f"resolver {name}", command
        if isinstance(command, click.Group):
            yield from ((f"resolver {name} {sub}", found) for sub, found in command.commands.items())


COMMAND = pytest.mark.parametrize(
    "command", [pytest.param(command, id=name) for name, command in all_commands()]
)


@COMMAND
def test_every_command_says_what_it_does(command: click.Command) -> None:
    """A command's help begins with one sentence."""
    text = str(command.help)
    assert text[0].isupper()
    assert "." in text


@COMMAND
def test_every_option_says_what_it_does(command: click.Command) -> None:
    """An option's help is one or more sentences."""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    for option in options:
        text = str(option.help)
        assert text[0].isupper() or text.startswith("yaml "), option.name
        assert text.endswith("."), option.name


@COMMAND
def test_the_help_page_is_printed(command: click.Command) -> None:
    """--help and -h print the page, with every option on it, and touch no store."""
    pages = [CliRunner().invoke(command, [flag], **GROUP_SETTINGS) for flag in ("--help", "-h")]
    assert [page.exit_code for page in pages] == [0, 0]
    assert pages[0].output == pages[1].output
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[-1] in pages[0].output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_is_the_commands_own(name: str) -> None:
    """The names listed without importing anything are those of the commands."""
    command = resolver_group.get_command(click.Context(resolver_group), name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name][1].endswith(".")


@COMMAND
def test_lists_of_commands_are_not_cut_off(command: click.Command) -> None:
    """What a group says of each command fits, instead of ending in dots."""
    assert (
        "..."
        not in CliRunner().invoke(command, ["--help"], **GROUP_SETTINGS).output.partition("Commands:")[2]
    )


def test_an_unknown_command_has_no_help() -> None:
    """The group knows no other names."""
    assert resolver_group.get_command(click.Context(resolver_group), "bogus") is None


@pytest.mark.parametrize("words", [(), ("secrets",)], ids=["resolver", "resolver secrets"])
def test_a_group_alone_shows_its_page(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group without a command is a usage error that shows the page as a page."""
    monkeypatch.setenv("COLUMNS", "80")
    page = CliRunner().invoke(resolver_group, [*words, "--help"], prog_name="resolver").output
    assert run(resolver_group, words) == 2
    captured = capsys.readouterr()
    assert page.strip() in captured.out + captured.err


OWN_FORMS = frozenset(
    {
        "resolver serve",
        "resolver exec",
        "resolver lint",
        "resolver secrets export",
        "resolver completion",
        "resolver audit export",
        "resolver db upgrade",
    }
)
"""What runs others, writes a format of its own, or is for a person at the machine that has the keys."""


@pytest.mark.parametrize(
    "name", [name for name, command in all_commands() if not isinstance(command, click.Group)]
)
def test_every_command_answers_in_json(name: str) -> None:
    """Whatever a program may want to know of a command's answer, it can have as JSON."""
    options = {option for each in dict(all_commands())[name].params for option in each.opts}
    assert ("--format" in options) or name in OWN_FORMS


@COMMAND
def test_credentials_are_for_commands_that_ask_who_somebody_is(command: click.Command) -> None:
    """Who makes, mends or serves a store has the root key in place of a token, and is offered none."""
    local = {"init", "recover", "serve", "config show", "db status", "db upgrade", "db vacuum"}
    names = {f"resolver {name}" for name in local}
    (name,) = (name for name, one in all_commands() if one is command)
    given = {option for one in command.params for option in one.opts}
    assert "--require-hardening" in given or isinstance(command, click.Group) or name == "resolver completion"
    if name in names:
        assert given.isdisjoint({"--token-file", "--identity"})
    elif "--require-hardening" in given:
        assert given >= {"--token-file", "--identity"}
