"""Sends events to the receivers of webhooks: to allowed destinations, by no redirect, in a bounded time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.webhooks import Outcome
from resolver.errors import InvalidRequestError, NotPermittedError, ResolverError, UsageError
from resolver.http.transport import HttpRequest, TransportError
from resolver.http.url import UNIX, parse_server_url
from resolver.providers.requests import TIMEOUT, RequestSender

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.http.url import Url
    from resolver.providers.allow_list import AllowList

SETTING = "webhook_destinations"

_MAX_ANSWER_BYTES = 64 * 1024
_TAKEN = range(200, 300)
_REDIRECT = range(300, 400)


class WebhookSender:
    """Sends events.

    Args:
        allowed: the allowed destinations.
        timeout: seconds for one request.
    """

    def __init__(self, allowed: AllowList, timeout: float = TIMEOUT) -> None:
        self._sender = RequestSender(allowed, timeout=timeout, max_bytes=_MAX_ANSWER_BYTES)

    def check(self, url: str) -> None:
        """Refuse a URL that nothing could be sent to.

        Raises:
            InvalidRequestError: it is malformed, or would send events over a network in the clear.
            NotPermittedError: the destination is not allowed.
        """
        self._sender.check_allowed(_parsed(url))

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request. No redirect is followed; nothing of the answer is kept but its status."""
        try:
            status = self._sender.send(_parsed(url), HttpRequest("POST", "", headers, body)).status
        except TransportError as error:
            return Outcome(delivered=False, error=f"it {error.cause}")
        except NotPermittedError:
            return Outcome(
                delivered=False, error=f"its destination is not among the `{SETTING}` of config.yaml"
            )
        except ResolverError as error:
            return Outcome(delivered=False, error=error.message)
        if status in _TAKEN:
            return Outcome(delivered=True, status=status)
        why = "a redirect, which is not followed" if status in _REDIRECT else f"status {status}"
        return Outcome(delivered=False, status=status, error=f"it answered with {why}")


def _parsed(text: str) -> Url:
    if text.startswith(UNIX):
        raise InvalidRequestError("a webhook leads to no unix socket", hint="give a URL with https")
    try:
        return parse_server_url(text, "URL")
    except UsageError as error:
        hint = error.hint if "plain HTTP" in error.message else _FORM
        raise InvalidRequestError(error.message, hint=hint) from None


_FORM = "write it like https://host.example/path, without user, query or '#'"
