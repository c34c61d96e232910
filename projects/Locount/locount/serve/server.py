"""Uvicorn with bounds, so that clients that hang or flood don't end it."""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# Connections at a time; others get 503.
MAX_CONNECTIONS = 400
# For the head of a request to come, or a next one on the same connection.
HEAD_SECONDS = 10
# For answers in progress when the server is told to end.
SHUTDOWN_SECONDS = 10


class _Protocol(H11Protocol):
    """Ends connections without a request: uvicorn has no time limit for its head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._last_cycle: RequestResponseCycle | None = None
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        at_work = self.cycle is not None and not self.cycle.response_complete
        if not at_work and self.cycle is self._last_cycle:
            self.transport.abort()
            return
        if not at_work:
            self._last_cycle = self.cycle
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)


def build_server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_level="warning",
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)
