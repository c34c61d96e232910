"""Who may ask the server: checks of each request before anything else is done with it."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
OPEN_PATHS = ("/health",)


class Guard:
    """Wraps an application.

    * A Host that is neither an address nor known is refused: a page elsewhere whose name was made
      to lead here (DNS rebinding) can't ask.
    * An Origin other than the server's own is refused: no other page can ask.
    * With a token, everything but /health needs it: as ``?token=`` in the address of the page,
      which leaves it in a cookie, or as ``Authorization: Bearer``.
    * All answers get HEADERS, errors too.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = (), token: str | None = None):
        """
        Args:
            hosts: names, without port, by which the server is asked; ``localhost`` is known.
        """
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._token = token
        # Not the same for all: browsers send cookies to all ports of a machine.
        digest = hashlib.sha256((token or "").encode()).hexdigest()[:8]
        self._cookie = f"locount_{digest}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http":
            answer = self._refusal(scope) or self._app
            await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        asked = HTTPConnection(scope)
        host = asked.headers.get("host", "")
        if not self._is_known(host):
            return _refuse(
                421,
                f"The server is not known by the name in {host!r}: use its address, or start "
                "it with --allow-host NAME.",
            )
        origin = asked.headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            return _refuse(403, "Pages of other servers can't use this one.")
        if self._token is None or scope["path"] in OPEN_PATHS:
            return None
        if scope["path"] == "/" and self._is_token(asked.query_params.get("token", "")):
            response = RedirectResponse(scope.get("root_path", "") + "/", 303)
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="lax")
            return response
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(bearer) or self._is_token(asked.cookies.get(self._cookie, "")):
            return None
        return _refuse(
            401,
            "The token is missing or wrong: open the address that `locount serve` printed, or send "
            "the header Authorization: Bearer TOKEN.",
        )

    def _is_token(self, text: str) -> bool:
        token = self._token
        return token is not None and hmac.compare_digest(
            text.encode("utf-8", "replace"), token.encode()
        )

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # an address with half its brackets
        return None


def _refuse(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
