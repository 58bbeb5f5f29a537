"""Listens and serves: sockets, TLS, worker processes, and a stop that lets requests end."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import logging
import os
import re
import signal
import socket
import ssl
import stat
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from msgspec import Struct
from msgspec.structs import replace

from resolver.bootstrap.embedded import open_service
from resolver.config.files import Trusted, demand_trusted, unreadable
from resolver.config.filesystems import sqlite_warning
from resolver.errors import UnavailableError, UsageError
from resolver.http.transport import CIPHERS
from resolver.plugins.manager import add_provider_types
from resolver.rest.acceptor import Door, HttpServer, raise_descriptors
from resolver.rest.access_log import log_to_stderr
from resolver.rest.lanes import NICENESS, Lane, Load, Passage
from resolver.rest.proxies import UNIX
from resolver.rest.systemd import given_sockets, notify
from resolver.rest.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.applications import Starlette

    from resolver.config.settings import Settings
    from resolver.rest.options import ServerOptions
    from resolver.service import Service

LOG = logging.getLogger("resolver.server")

_BACKLOG = 2048

_NEVER = 10**9

_SWITCH_SECONDS = 0.0005
"""How long one thread computes while others wait for the interpreter: ten times as often as by default.

A request lets go of it at each call of the database, and then waits as long as this for each that computes.
"""

_GC_YOUNG = 10_000
"""How many objects may be made before the collector looks through them."""

_CERTIFICATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*CERTIFICATE-----")
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")

_STOP_SECONDS = 30
"""How long requests in work may take to end once the server is told to stop."""


class Listener(Struct, frozen=True):
    """Where a server listens.

    Args:
        host: a name or address.
        port: the port; 0 for a free one.
        unix_socket: the path of a socket, in place of host and port.
        certificate: file with the certificate chain, for TLS.
        private_key: file with its key.
        trusted_proxies: addresses of proxies whose word on their clients is taken; `unix` for who comes by
            the unix socket.
        proxy_protocol: whether their connections begin with the PROXY protocol's header.
        health: host and port of a second listener, which answers health alone.
    """

    host: str = "127.0.0.1"
    port: int = 8200
    unix_socket: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    proxy_protocol: bool = False
    health: tuple[str, int] | None = None

    def check(self) -> None:
        """Check that nothing here sends values over a network in plain.

        Raises:
            UsageError: it does, the files for TLS are not whole, or a proxy is not an address.
        """
        for proxy in self.trusted_proxies:
            if not _is_proxy(proxy):
                raise UsageError(
                    f"the trusted proxy {proxy!r} is neither an address nor a network",
                    hint="give one like 10.0.0.1 or 10.0.0.0/24; `unix` stands for who comes by the socket",
                )
        if UNIX in self.trusted_proxies and self.unix_socket is None:
            raise UsageError("there is no unix socket that a proxy could come by", hint="give --unix-socket")
        if self.proxy_protocol and not self.trusted_proxies:
            raise UsageError(
                "there is no proxy that could speak the PROXY protocol",
                hint="name the proxy by --trusted-proxy",
            )
        if (self.certificate is None) != (self.private_key is None):
            raise UsageError("TLS needs a certificate and its key", hint="give --tls-cert and --tls-key")
        if self.certificate is not None and self.private_key is not None:
            if self.unix_socket is not None:
                raise UsageError("a unix socket takes no TLS", hint="leave out --tls-cert and --tls-key")
            _check_tls(self.certificate, self.private_key)
        elif self.unix_socket is None and not _is_loopback(self.host, self.port):
            raise UsageError(
                f"plain HTTP on {self.host!r} would send values over the network unencrypted",
                hint="give --tls-cert and --tls-key; or listen on 127.0.0.1 or a --unix-socket",
            )


def _check_tls(certificate: Path, private_key: Path) -> None:
    """Check that certificate and key can be used together; a message names the file that is wrong."""
    demand_trusted(certificate, Trusted.CERTIFICATE)
    demand_trusted(private_key, Trusted.PRIVATE_KEY)
    if not _CERTIFICATE.search(_content(certificate)):
        raise UsageError(f"there is no certificate in {str(certificate)!r}", hint="give one in PEM")
    key = _content(private_key)
    if not _PRIVATE_KEY.search(key):
        raise UsageError(f"there is no private key in {str(private_key)!r}", hint="give one in PEM")
    if b"ENCRYPTED" in key:
        raise UsageError(
            f"the private key in {str(private_key)!r} is encrypted",
            hint="nobody is asked for its passphrase; `openssl pkey -in FILE -out OTHER` writes one "
            "that has none",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key)
    except (OSError, ssl.SSLError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"the private key in {str(private_key)!r} is not that of the certificate in "
                f"{str(certificate)!r}",
                hint="a chain begins with the server's own certificate",
            ) from None
        raise UsageError(
            f"the certificate in {str(certificate)!r} and the key in {str(private_key)!r} can't be used: "
            f"{getattr(error, 'reason', None) or error.strerror}"
        ) from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(repr(str(path)), path, error) from None


def _is_proxy(text: str) -> bool:
    """Whether a trusted proxy is an address or a network, and so can be recognised."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return text == UNIX
    return True


def _is_loopback(host: str, port: int) -> bool:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise UsageError(f"the host {host!r} is not known") from None
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def warn_of_place(settings: Settings) -> None:
    """Log it when the database is where it does not belong."""
    if warning := sqlite_warning(settings.database_file):
        LOG.warning("%s", warning)


def serve(settings: Settings, listener: Listener, options: ServerOptions) -> None:
    """Serve until told to stop by SIGTERM or SIGINT.

    Args:
        settings: where the store and the root key are.
        listener: where to listen.
        options: limits and rules.

    Raises:
        UsageError: it would send values in plain, or several workers would share a SQLite file.
        UnavailableError: the store, the root key or the address is not available.
    """
    given = given_sockets()
    if given:
        listener = _as_given(listener, given)
    listener.check()
    if options.workers > 1 and settings.database_file is not None:
        raise UsageError(
            "several workers can't share a SQLite database",
            hint="leave out --workers, or use PostgreSQL by RESOLVER_DATABASE_URL",
        )
    options = replace(
        options,
        trusted_proxies=listener.trusted_proxies,
        max_connections=min(options.max_connections, raise_descriptors()),
    )
    opening = partial(open_service, settings, server=True, plugins=add_provider_types)
    service = opening()  # also with several workers: to fail here, once, and in words
    log_to_stderr()
    warn_of_place(settings)
    try:
        service.check_ready()
        with _listening(listener, given) as doors, contextlib.ExitStack() as stack:
            service.close()  # no connection may be shared with another process
            first = Lane(Load(), stack.enter_context(contextlib.closing(Passage())))
            second = replace(first, second=True)
            reload = partial(_read_certificate_again, listener, doors)
            works = [
                lambda lane=lane: _serve(opening(), options, doors, lane, reload)
                for lane in (*[first] * options.workers, second)
            ]
            run_workers(works, lambda: _stop(doors), reload, options.drain_seconds + _STOP_SECONDS)
    finally:
        service.close()


def _stop(doors: Sequence[Door]) -> None:
    """Leave the sockets to the workers, which close theirs when they accept nothing more."""
    notify("STOPPING=1")
    for door in doors:
        door.sock.close()


def _read_certificate_again(listener: Listener, doors: Sequence[Door]) -> None:
    """Take the certificate that is there now for new connections; a bad one is logged and changes nothing."""
    if listener.certificate is None or listener.private_key is None:
        return
    try:
        _check_tls(listener.certificate, listener.private_key)
        # A context that took a certificate and then not its key, since one was replaced meanwhile, has none.
        fresh = _make_tls(listener)
        for door in doors:
            if door.tls is not None:
                door.tls = fresh
    except (UsageError, OSError) as error:
        LOG.error("the certificate stays as it was: %s", error)  # noqa: TRY400 - the words tell it
    else:
        LOG.info("the certificate was read again")


def _serve(
    service: Service,
    options: ServerOptions,
    doors: Sequence[Door],
    lane: Lane,
    reload: Callable[[], None],
) -> None:
    """Serve in this process until told to stop."""
    if lane.second:
        # With the same priority as the first lane, honest uses took 3 times as long at the 99th percentile.
        os.nice(NICENESS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Only now: what counts requests looks at its import whether other processes count with it.
    from resolver.rest.app import create_app  # noqa: PLC0415

    app = create_app(service, options, lane)
    server = make_server(app, doors)
    _collect_garbage()
    signal.signal(signal.SIGHUP, lambda *_: reload())
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until the process ends, so also before and after the library's own handlers. A stop may come twice:
        # neither is lost at the start, and the second one does not kill a process that has done its work.
        signal.signal(number, server.handle_exit)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_meanwhile("row check", lambda stop: service.rows.watch(stop.wait)))
        if not lane.second:
            count = app.state.server.metrics.count_event
            stack.enter_context(
                _meanwhile("events", lambda stop: service.delivery.watch(stop.wait, stop.is_set, count))
            )
        server.run()


def make_server(app: Starlette, doors: Sequence[Door]) -> HttpServer:
    """The HTTP server of an application.

    Args:
        app: made by `create_app`.
        doors: where it listens; it closes their sockets.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,  # ours
        access_log=False,  # it would hold queries
        server_header=False,
        proxy_headers=False,  # ours, too
        timeout_keep_alive=_NEVER,  # as are all times of connections
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return HttpServer(config, app.state.server, doors)


@contextlib.contextmanager
def _meanwhile(name: str, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something else meanwhile, in a thread of its own, until an event tells it to stop."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)


def _collect_garbage() -> None:
    """Turn the collector on, which a command does without, for what is made from now on.

    All that was loaded stays as long as the process: to look through it again and again would have every
    fiftieth request or so wait for 50 ms. A request for hundreds of keys makes thousands of objects and keeps
    none, so young ones are looked through less often than by default, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_YOUNG)
    gc.enable()


def _as_given(listener: Listener, given: Sequence[socket.socket]) -> Listener:
    """What a listener says of itself, by the socket that it is given."""
    address = given[0].getsockname()
    if given[0].family == socket.AF_UNIX:
        return replace(listener, unix_socket=Path(os.fsdecode(address)))
    return replace(listener, host=address[0], port=address[1], unix_socket=None)


@contextlib.contextmanager
def _listening(listener: Listener, given: Sequence[socket.socket]) -> Iterator[Sequence[Door]]:
    """Sockets that listen; a unix socket is removed at the end, unless it is another server's by then."""
    path = listener.unix_socket
    with contextlib.ExitStack() as stack:
        if given:
            sock = stack.enter_context(given[0])
            LOG.info("listening on the service manager's socket")
        elif path is None:
            sock = stack.enter_context(_bound_at(listener.host, listener.port))
            scheme = "http" if listener.certificate is None else "https"
            LOG.info("listening on %s://%s:%d", scheme, listener.host, sock.getsockname()[1])
        else:
            with _worded(str(path)):
                sock = stack.enter_context(_bound_unix(path))
            stack.callback(_remove, path, path.lstat().st_ino)
            LOG.info("listening on %s", path)
        doors = [Door(sock, _make_tls(listener), listener.proxy_protocol)]
        if given[1:]:
            doors.append(Door(stack.enter_context(given[1]), health=True))
        elif listener.health is not None:
            host, port = listener.health
            health = stack.enter_context(_bound_at(host, port))
            LOG.info("health on http://%s:%d", host, health.getsockname()[1])
            doors.append(Door(health, health=True))
        for door in doors:
            door.sock.set_inheritable(True)
        yield doors


def _remove(path: Path, inode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()


@contextlib.contextmanager
def _worded(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnavailableError(f"can't listen on {where!r}: {reason}") from None


def _make_tls(listener: Listener) -> ssl.SSLContext | None:
    if listener.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.load_cert_chain(listener.certificate, listener.private_key)
    return context


def _bound_at(host: str, port: int) -> socket.socket:
    with _worded(f"{host}:{port}"):
        *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
        sock = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    # Inherited by connections. Without it each answer waits 40 ms, for the client to acknowledge its start.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _bound_unix(path: Path) -> socket.socket:
    demand_trusted(path.parent, Trusted.SOCKET)  # who can exchange it gets what its clients send
    if path.exists() and stat.S_ISSOCK(path.lstat().st_mode) and not _answers(path):
        path.unlink()  # left behind by a server that was killed
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)  # for its owner and group: before there is anything to connect to
    try:
        sock.bind(str(path))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0
