"""Settings: read and checked once. Highest first: option, environment, profile, `config.yaml`.

All but the environment lives in the state directory; nothing is ever read from the working tree.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.config.files import Trusted, called, demand_trusted, unreadable
from resolver.config.profile import read_profile
from resolver.core.formats import DialectName
from resolver.errors import AuthenticationError, RootKeyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.config.identity import IdentitySource
    from resolver.config.profile import Profile
    from resolver.core.login_rules import LoginRules

APPLICATION = "blueprint-resolver"


class Settings:
    """The settings of one process.

    Args:
        environ: the environment.
        home: the state directory; by default RESOLVER_HOME, or the user's data directory by XDG.

    Raises:
        UsageError: a variable is set and empty, or `config.yaml` breaks its schema or others may write it.
    """

    def __init__(self, environ: Mapping[str, str], home: Path | None = None) -> None:
        self._environ = environ
        self._home = home or self._default_home()
        self._config = self._read_config()
        self._url = self._variable("RESOLVER_URL")
        self._ca_file = self._variable("RESOLVER_CA_FILE")
        if self._url is not None and self._variable("RESOLVER_DATABASE_URL") is not None:
            raise UsageError(
                "RESOLVER_URL and RESOLVER_DATABASE_URL are set, and only one can say where the store is",
                hint="unset RESOLVER_DATABASE_URL to use the server, or RESOLVER_URL to use the database",
            )

    def __repr__(self) -> str:
        return f"Settings(home={str(self._home)!r})"

    @property
    def home(self) -> Path:
        """The state directory.

        Raises:
            UsageError: RESOLVER_HOME names none, and the user has no home folder that it could be in.
        """
        if self._home is None:
            raise UsageError(
                "this user has no home folder, and RESOLVER_HOME names none",
                hint="set RESOLVER_HOME; with a server, RESOLVER_URL and RESOLVER_TOKEN are enough",
            )
        return self._home

    def _variable(self, name: str) -> str | None:
        """An environment variable; one that is set and empty is a mistake, and never passed over."""
        value = self._environ.get(name)
        if value is not None and not value.strip():
            raise UsageError(f"{name} is set and empty", hint=f"give it a value or unset {name}")
        return value

    def _default_home(self) -> Path | None:
        """RESOLVER_HOME or the user's; None for a user without a home, as those of many containers are."""
        named = self._variable("RESOLVER_HOME")
        if named is not None:
            return Path(named).absolute()
        # As the XDG Base Directory Specification has it, or macOS. A library for this takes 20 ms to load.
        usual = "~/Library/Application Support" if sys.platform == "darwin" else "~/.local/share"
        folder = self._environ.get("XDG_DATA_HOME", "").strip() or usual
        home = Path(os.path.expanduser(folder), APPLICATION)  # noqa: PTH111 - which raises without a home
        return home if home.is_absolute() else None  # never in the working tree

    def _read_config(self) -> Mapping[str, Any]:
        if self._home is None:
            return {}
        path = self.home / "config.yaml"
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, UnicodeDecodeError) as error:
            helps = "RESOLVER_HOME names another state directory"
            raise unreadable(repr(str(path)), path, error, hint=helps) from None
        demand_trusted(path, Trusted.CONFIG)
        return _check_config(text, path)

    @property
    def server_url(self) -> str | None:
        """The server's URL: RESOLVER_URL, or the profile's unless RESOLVER_DATABASE_URL names a store.

        Raises:
            AuthenticationError: the profile can be read by others, or is malformed.
        """
        if self._url is not None or self._variable("RESOLVER_DATABASE_URL") is not None:
            return self._url
        return self._profile.url or None if self._profile is not None else None

    @property
    def config(self) -> Mapping[str, Any]:
        """What `config.yaml` says, as data."""
        return self._config

    @property
    def names_server(self) -> bool:
        """Whether RESOLVER_URL names a server, rather than a profile."""
        return self._url is not None

    @cached_property
    def _profile(self) -> Profile | None:
        """The profile, read once: else a login meanwhile could send its token to the server before it."""
        return None if self._home is None else read_profile(self.profile_path)

    @property
    def named_ca_file(self) -> str | None:
        """The file that RESOLVER_CA_FILE names, as an absolute path."""
        if self._ca_file is None:
            return None
        demand_trusted(Path(self._ca_file), Trusted.AUTHORITIES)
        return str(Path(self._ca_file).absolute())

    @property
    def ca_file(self) -> str | None:
        """The file with the authorities that the server's certificate is verified against."""
        path = self._ca_file
        if path is None and (profile := self.profile()) is not None:
            path = profile.ca_file or None
        if path is not None:
            demand_trusted(Path(path), Trusted.AUTHORITIES)
        return path

    def demand_embedded(self) -> None:
        """Refuse to open a store in this process when the environment says that a server has it.

        Raises:
            UsageError: RESOLVER_URL is set.
        """
        if self._url is not None:
            raise UsageError(
                "this works where the store is, and RESOLVER_URL is set",
                hint="unset RESOLVER_URL to use the store on this machine",
            )

    @property
    def data_directory(self) -> Path:
        """Where the embedded database is: what one backs up."""
        return self.home / "data"

    @property
    def key_directory(self) -> Path:
        """Where root keys are: not a part of the backup."""
        return self.home / "keys"

    @property
    def profile_path(self) -> Path:
        """The file with the token that commands run with by default."""
        return self.home / "profile"

    @property
    def uses_embedded_database(self) -> bool:
        """Whether the database is the one in the state directory."""
        return self._variable("RESOLVER_DATABASE_URL") is None and "database_url" not in self._config

    @property
    def database(self) -> str | Path:
        """The database: a file of SQLite, or the URL of another one, or one that will be refused.

        A file is no URL: its path may hold what means something in one, like `?`.
        """
        named = self._variable("RESOLVER_DATABASE_URL") or self._config.get("database_url")
        if not named:
            return self.data_directory / "resolver.db"
        url = str(named)
        if not url.startswith("sqlite:////") or "?" in url:
            return url
        from urllib.parse import unquote  # noqa: PLC0415 - few name one

        return Path(unquote(url.removeprefix("sqlite:///")))

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for what has a URL."""
        return database if isinstance(database := self.database, Path) else None

    @property
    def key_text(self) -> str | None:
        """Root keys given in the environment."""
        return self._variable("RESOLVER_KEY")

    @property
    def key_command(self) -> str | Sequence[str] | None:
        """A command that prints root keys: a text to be split, or a list."""
        command: str | Sequence[str] | None = self._config.get("key_command")
        return self._variable("RESOLVER_KEY_COMMAND") or command

    @property
    def key_transit(self) -> Mapping[str, str] | None:
        """A root key in a transit service, as `config.yaml` describes it."""
        return self._config.get("key_transit")

    @property
    def key_files(self) -> list[Path]:
        """Files with root keys: those that are named, else all in the state directory.

        Raises:
            RootKeyError: the folder of those can't be read.
        """
        named = self._variable("RESOLVER_KEY_FILE")
        if named:
            return [Path(name) for name in named.split(os.pathsep) if name]
        listed = self._config.get("key_file")
        if listed:
            return [Path(name) for name in ([listed] if isinstance(listed, str) else listed)]
        if self.names_key:
            return []
        try:
            return sorted(path for path in self.key_directory.iterdir() if path.name.endswith(".key"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            folder = self.key_directory
            raise unreadable(f"the folder {str(folder)!r}", folder, error, RootKeyError) from None

    @property
    def strict_key_file(self) -> bool:
        """Whether a key file that others can read is refused."""
        return bool(self._config.get("strict_key_file", False))

    @property
    def pool(self) -> Mapping[str, int]:
        """How many connections to a PostgreSQL server stay open, and how long."""
        return dict(self._config.get("pool", {}))

    @property
    def provider_destinations(self) -> list[str] | None:
        """The allowed destinations of secrets providers; None when there is no such list."""
        listed = self._config.get("provider_destinations")
        return None if listed is None else list(map(str, listed))

    @property
    def webhook_destinations(self) -> list[str] | None:
        """The allowed destinations of webhooks; None when there is no such list."""
        listed = self._config.get("webhook_destinations")
        return None if listed is None else list(map(str, listed))

    @property
    def public_url(self) -> str:
        """This server's URL as clients have it; empty when it is not said."""
        return str(self._config.get("public_url", "")).rstrip("/")

    @property
    def login_rules(self) -> LoginRules:
        """How people get in.

        Raises:
            UsageError: two providers have one name or issuer, or it is not said where browsers come back to.
        """
        from resolver.core.login_rules import LoginRules  # noqa: PLC0415 - for a store in this process

        given = self._config.get("sign_in")
        if given is None:
            return LoginRules()
        import msgspec  # noqa: PLC0415 - few stores have any of this

        from resolver.core.sign_in import SignInProvider  # noqa: PLC0415 - as above

        providers = msgspec.convert(given.get("providers", ()), tuple[SignInProvider, ...])
        for what in ("name", "issuer"):
            if len({getattr(one, what) for one in providers}) < len(providers):
                raise UsageError(f"config.yaml: sign_in: two providers have the same {what}")
        if providers and not self.public_url:
            raise UsageError(
                "config.yaml: sign_in: browsers have to come back to this server",
                hint="set `public_url`, as browsers have it",
            )
        return LoginRules(
            providers, given.get("passwords", True), given.get("break_glass_user", ""), self.public_url
        )

    @property
    def stale_keys(self) -> float:
        """Seconds for which an issuer's last keys are used when no others can be had."""
        return float(self._config.get("stale_keys_minutes", 60)) * 60

    @property
    def discovery_token_files(self) -> Mapping[str, str]:
        """The files with the tokens that issuers' discovery asks for, by issuer."""
        return dict(self._config.get("discovery_token_files", {}))

    @property
    def keep_versions(self) -> int:
        """How many versions of each secret are retained; 0 retains all."""
        return int(self._config.get("keep_versions", 0))

    @property
    def refuse_expired(self) -> bool:
        """Whether an expired secret is refused, rather than used with a warning."""
        return bool(self._config.get("refuse_expired", False))

    @property
    def bounds(self) -> Mapping[str, int]:
        """Numbers that the service enforces, by the names of the settings; those given."""
        return {
            name: int(number)
            for name, number in self._config.items()
            if "_per_" in name or name in ("password_length", "expiry_notice_days")
        }

    @property
    def names_key(self) -> bool:
        """Whether a root key is named by a setting, rather than found in the state directory."""
        return bool(
            self.key_text
            or self.key_command
            or self.key_transit
            or self._variable("RESOLVER_KEY_FILE")
            or self._config.get("key_file"),
        )

    @property
    def plugins(self) -> Sequence[str]:
        """The plugins that every run uses."""
        return list(self._config.get("plugins", ()))

    @property
    def dialect(self) -> DialectName | None:
        """What blueprints are read as whose version leaves that open."""
        name = self._config.get("dialect")
        return None if name is None else DialectName(name)

    def token(self, token_file: Path | None = None) -> str:
        """The access token: from the option's file, RESOLVER_TOKEN, or the profile, in this order.

        A source that is there and empty or unreadable ends the search: the next one is never tried.

        Raises:
            AuthenticationError: there is no token.
        """
        if token_file is not None:
            try:
                text = token_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                named, helps = called("token file", token_file, holds_credential=True)
                raise unreadable(named, token_file, error, AuthenticationError, hint=helps) from None
            demand_trusted(token_file, Trusted.TOKEN, AuthenticationError)
            if not text:
                raise AuthenticationError(f"the token file {str(token_file)!r} is empty")
            return text
        token = self._environ.get("RESOLVER_TOKEN")
        if token is not None:
            if not token.strip():
                raise AuthenticationError(
                    "RESOLVER_TOKEN is set and empty",
                    hint="give it a token, or unset it to use the profile",
                )
            return token.strip()
        profile = self.profile()
        if profile is None:
            raise AuthenticationError(
                "no access token was given",
                hint="set RESOLVER_TOKEN, or run `resolver login URL`"
                if self.server_url
                else "set RESOLVER_TOKEN, or RESOLVER_HOME to a folder whose profile has one; "
                "where the root key is, `resolver recover` makes one",
            )
        return profile.token

    def identity(self, named: str | None, token_file: Path | None = None) -> IdentitySource | None:
        """Where a workload's identity comes from: the option's word, or RESOLVER_IDENTITY; None for none.

        Raises:
            UsageError: it is malformed, or a token was given beside it.
        """
        if named is not None and token_file is not None:
            raise UsageError("give either --identity or --token-file")
        if token_file is not None or (named is None and "RESOLVER_IDENTITY" not in self._environ):
            return None
        if named is None and "RESOLVER_TOKEN" in self._environ:
            raise UsageError(
                "RESOLVER_IDENTITY and RESOLVER_TOKEN are set, and only one can say who asks",
                hint="unset RESOLVER_TOKEN to use the identity that the platform gives",
            )
        from resolver.config.identity import parse_source  # noqa: PLC0415 - for a workload only

        return parse_source(named if named is not None else self._variable("RESOLVER_IDENTITY") or "")

    def read_identity(self, source: IdentitySource) -> str:
        """The JWT of a workload, for the server that this run uses.

        Raises:
            AuthenticationError: there is none, or not one for this server and this time.
        """
        from resolver.config.identity import read_jwt  # noqa: PLC0415 - as above

        audience = self._variable("RESOLVER_AUDIENCE") or (self.server_url or "").rstrip("/")
        return read_jwt(source, self._environ, audience)

    def identity_end(self, source: IdentitySource) -> float | None:
        """When the JWT of a workload ends, in seconds since 1970; None where it does not say so."""
        from resolver.config.identity import end_of  # noqa: PLC0415 - as above

        return end_of(self.read_identity(source))

    @property
    def trust(self) -> str:
        """The trust by which an identity is exchanged, where several would fit; empty otherwise."""
        return self._variable("RESOLVER_TRUST") or ""

    def tenant(self, named: str | None) -> str:
        """The tenant to work in: the option, RESOLVER_TENANT, the profile's, or config.yaml's.

        Raises:
            UsageError: none is named.
        """
        if named is not None and not named:
            raise UsageError("the tenant's name is empty")
        tenant = named or self._variable("RESOLVER_TENANT")
        if tenant is None:
            profile = self.profile()
            tenant = profile.tenant or None if profile else None
        tenant = tenant or self._config.get("tenant")
        if tenant is None:
            raise UsageError(
                "no tenant was named",
                hint="give --tenant NAME, or set RESOLVER_TENANT",
            )
        return str(tenant)

    def profile(self) -> Profile | None:
        """The profile, when it is for the store that this run uses; else None.

        A token goes to no other server than the one that gave it.

        Raises:
            AuthenticationError: it can be read by others, or is malformed.
        """
        profile, url = self._profile, self.server_url or ""
        return profile if profile is not None and profile.url.rstrip("/") == url.rstrip("/") else None


def _check_config(text: str, path: Path) -> Mapping[str, Any]:
    """Check `config.yaml` against its schema. Imports wait for here: most stores have no such file."""
    import yaml  # noqa: PLC0415

    from resolver.validation.json_schema import findings  # noqa: PLC0415

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{str(path)!r}{line}: it is not valid YAML") from None
    if data is None:
        return {}
    for where, rule in findings(data, "config.schema.json"):
        location = "/".join(map(str, where)) or "the file"
        raise UsageError(
            f"{str(path)!r}: {location} {rule}", hint="schemas/config.schema.json lists what it may have"
        )
    return dict(data)
