"""URLs of other servers: what is taken, what is refused, and how one is shown."""

from __future__ import annotations

import pytest

from resolver.errors import InvalidRequestError
from resolver.http.url import Url, parse_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://Vault.Example", "https://vault.example:443"),
        ("http://[::1]:8200/", "http://[::1]:8200"),
        ("https://h:1/a/b/", "https://h:1/a/b"),
        (f"https://{'a' * 63}.example.", f"https://{'a' * 63}.example.:443"),
    ],
)
def test_a_url_is_read(text: str, shown: str) -> None:
    """Scheme, host, port and prefix, in one way of writing."""
    assert str(parse_url(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault.example",
        "ftp://h",
        "file:///etc/passwd",
        "https://",
        "https://user:hunter2@h",
        "https://h@evil",
        "https://h/a/../b",
        "https://h/%2e%2e/b",
        "https://h/a?x=1",
        "https://h/#x",
        "https://h:0",
        "https://h:99999",
        "https://h\r\nX: y",
        "https://h/a//b",
        "https://hö",
        "https://a..b",
        "https://.a",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 130}example",
        "https://[::1]x",
        "https://[::1",
        "https://h:",
    ],
)
def test_a_malformed_url_is_refused(text: str) -> None:
    """The text is not repeated: it may hold a password."""
    with pytest.raises(InvalidRequestError, match=r"^the URL is malformed$"):
        parse_url(text)


def test_a_url_is_shown() -> None:
    """For messages without scheme and path; an IPv6 address in brackets; a standard port is not sent."""
    for text, address, authority in (
        ("https://Host.example/a", "host.example:443", "host.example"),
        ("https://host.example:8200", "host.example:8200", "host.example:8200"),
        ("http://[::1]", "[::1]:80", "[::1]"),
        ("http://[::1]:8200", "[::1]:8200", "[::1]:8200"),
    ):
        url = parse_url(text)
        assert (url.address, url.authority) == (address, authority)
    assert Url("http", "localhost", 80, unix_socket="/run/x").address == "/run/x"
