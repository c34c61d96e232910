"""The server behind the page. Photos stay in memory, and only while they are worked on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from PIL import UnidentifiedImageError
from starlette.requests import ClientDisconnect

from ..data.images import TooManyPixelsError, open_picture
from ..errors import DatasetError, InputError
from ..inference.inputs import NamedImage
from ..inference.journal import Entry
from ..inference.predictor import Predictor
from ..report.shelf_page import ShelfCard, shelf_part
from ..stock import ShelfPhoto
from ..visualization.drawing import class_color
from .guard import Guard

# What browsers show too.
FORMATS = ("BMP", "JPEG", "PNG", "WEBP")
MAX_BYTES = 20_000_000
MAX_PIXELS = 64_000_000
# Of all photos that are being sent or waiting for their turn.
MAX_HELD_BYTES = 200_000_000
# Photos that wait for their turn.
MAX_WAITING = 16
# For a photo to come, and between two parts of it.
BODY_SECONDS, STALL_SECONDS = 60, 10
RETRY = {"Retry-After": "10"}

_HERE = Path(__file__).parent
FILES = {
    "/": _HERE / "page.html",
    "/page.css": _HERE / "page.css",
    "/page.js": _HERE / "page.js",
    "/report.css": _HERE.parent / "report/page.css",
}


def build_app(
    predictor: Predictor,
    *,
    level: float | None = None,
    hosts: Collection[str] = (),
    token: str | None = None,
) -> Guard:
    """GET / is the page, GET /health says that the server runs. POST /predict takes a photo as its
    body and gives :func:`answer` as JSON, or a status from 400 on and what is wrong under "detail".

    Args:
        level: of the intervals, which only PREDICT.SCORE has; None for none.
        hosts, token: as for :class:`Guard`.
    """
    # Without the pages that describe the interface: they ask a server elsewhere for their scripts.
    app = FastAPI(openapi_url=None)
    for path, file in FILES.items():
        app.add_api_route(path, _sender(file))
    desk = _Desk()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        async with desk.photo(request) as photo:
            content = await run_in_threadpool(answer, predictor, photo, level)
        return Response(msgspec.json.encode(content), media_type="application/json")

    return Guard(app, hosts=hosts, token=token)


class _Desk:
    """Takes photos in, many at a time, and gives them out one by one, so that memory is bounded and
    nobody who sends slowly keeps others waiting."""

    def __init__(self) -> None:
        self._held = self._waiting = 0
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def photo(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request when its turn has come.

        Raises:
            HTTPException: 408, 413 or 503.
        """
        body = bytearray()
        try:
            await self._receive(request, body)
            if self._waiting >= MAX_WAITING:
                raise _busy()
            self._waiting += 1
            try:
                await self._turn.acquire()
            finally:
                self._waiting -= 1
            try:
                if await request.is_disconnected():
                    raise HTTPException(499, "You left.")
                yield bytes(body)
            finally:
                self._turn.release()
        finally:
            self._held -= len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        """Append the body as it comes; what is in it is counted as held."""
        chunks = aiter(request.stream())
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while chunk := await asyncio.wait_for(anext(chunks, b""), STALL_SECONDS):
                    if len(body) + len(chunk) > MAX_BYTES:
                        raise HTTPException(
                            413, f"The photo has over {MAX_BYTES // 10**6} MB: give a smaller one."
                        )
                    if self._held + len(chunk) > MAX_HELD_BYTES:
                        raise _busy()
                    body += chunk
                    self._held += len(chunk)
        except TimeoutError as error:
            raise HTTPException(408, "The photo took too long to arrive: send it again.") from error
        except ClientDisconnect as error:
            raise HTTPException(499, "You left.") from error


def _busy() -> HTTPException:
    return HTTPException(503, "Too many photos are waiting: try again in a moment.", RETRY)


def answer(predictor: Predictor, photo: bytes, level: float | None = None) -> dict[str, Any]:
    """Every detection of the model, and what the page needs to show them.

    Raises:
        HTTPException: 413, 415 or 422 if it is not a photo that can be used.
    """
    try:
        picture = open_picture(
            photo, name="photo", upright=True, formats=FORMATS, max_pixels=MAX_PIXELS
        )
        prediction = predictor(NamedImage("photo", picture.pixels))
        prediction = prediction.counting(0, predictor.cfg.PREDICT.MAX_OVERLAP)
        shelf = ShelfPhoto.of(prediction.above(predictor.cfg.PREDICT.SCORE), level)
    except DatasetError as error:
        if not photo or isinstance(error.__cause__, UnidentifiedImageError):
            raise HTTPException(
                415, "Give a picture, JPEG, PNG, WebP or BMP, as the body of the request."
            ) from error
        if isinstance(error.__cause__, TooManyPixelsError):
            raise HTTPException(
                413, f"The photo has over {MAX_PIXELS // 10**6} megapixels: give a smaller one."
            ) from error
        raise HTTPException(
            422,
            "This can't be read as a picture; it may be cut short. Give a JPEG, PNG, WebP or BMP.",
        ) from error
    except InputError as error:
        raise HTTPException(422, f"The {error}") from error
    entry = Entry.of(prediction, image_id=1, stamp=(0, 0), picture=None, level=level)
    classes = zip(
        predictor.classes.ids, predictor.classes.names, predictor.classes.groups, strict=True
    )
    return {
        "width": entry.width,
        "height": entry.height,
        "score": predictor.cfg.PREDICT.SCORE,
        "categories": [
            {
                "id": i,
                "name": name,
                "group": group,
                "color": "rgb({} {} {})".format(*class_color(k)),
            }
            for k, (i, name, group) in enumerate(classes)
        ],
        "detections": entry.detections,
        # Of the detections from "score" on, the first ones; totals are null without intervals.
        "totals": entry.totals,
        "shelf": {
            "note": shelf.rows.note,
            "places": [shelf.place(i) for i in range(len(shelf.boxes))],
            "shares": shelf.shares_table(),
            "gaps": shelf.gaps_table(),
        },
        "page": shelf_part(ShelfCard.of(shelf)),
    }


def _sender(file: Path):
    def send() -> FileResponse:
        return FileResponse(file)

    return send
