"""The server behind the page. Photos stay in memory, and only while they are at work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from ...data.images import decode_image
from ...errors import InputError
from ..drawing import class_color
from ..journal import Entry
from ..predictor import Predictor

MAX_BYTES = 20_000_000
MEDIA_TYPES = ("image/bmp", "image/jpeg", "image/png", "image/webp")

_HERE = Path(__file__).parent
FILES = {
    "/": _HERE / "page.html",
    "/page.css": _HERE / "page.css",
    "/page.js": _HERE / "page.js",
    "/report.css": _HERE.parent / "report/page.css",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def build_app(predictor: Predictor) -> FastAPI:
    """GET / is the page. POST /predict takes a photo as its body and gives :func:`answer` as JSON,
    or 413, 415 or 422 with what is wrong under "detail"."""
    # Without the pages that describe the interface: they ask a server elsewhere for their scripts.
    app = FastAPI(openapi_url=None)
    for path, file in FILES.items():
        app.add_api_route(path, _sender(file))
    # One photo at a time, so that memory holds one, however many are sent.
    turn = asyncio.Lock()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        async with turn:
            photo = await _body(request)
            content = await run_in_threadpool(answer, predictor, photo)
        return Response(msgspec.json.encode(content), media_type="application/json")

    return app


def answer(predictor: Predictor, photo: bytes) -> dict[str, Any]:
    """Every detection of the model, and what the page needs to show them.

    Raises:
        HTTPException: 422 if it is no photo.
    """
    try:
        prediction = predictor(decode_image(photo, "photo"))
    except InputError as error:
        raise HTTPException(
            422,
            "This can't be read as a picture. It may be cut short, too large, or have more than "
            "8 bits a channel. Give a JPEG, PNG, WebP or BMP.",
        ) from error
    entry = Entry.of(prediction, image_id=1, stamp=(0, 0), picture=None)
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
    }


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type") not in MEDIA_TYPES:
        raise HTTPException(415, "Give a picture: JPEG, PNG, WebP or BMP.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(
                413, f"The photo has over {MAX_BYTES // 10**6} MB: give a smaller one."
            )
    return bytes(body)


def _sender(file: Path):
    def send() -> FileResponse:
        return FileResponse(file, headers=HEADERS)

    return send
