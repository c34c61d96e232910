"""Drop photos on a page in the browser and see what is on them."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import re
import secrets
import socket

from ..errors import InputError, require
from .options import (
    add_device,
    add_level,
    add_model,
    add_tiles,
    interval_level,
    open_predictor,
    remark,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_level(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; by default only this machine reaches it",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one; default: 8000")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name under which browsers reach the server, such as that of a proxy; "
        "addresses, localhost and the machine's own name are known",
    )
    parser.add_argument(
        "--no-token",
        action="store_true",
        help="with a --host that others reach: let everyone in. By default the address that is "
        "printed holds a token, $LOCOUNT_TOKEN or a new one",
    )
    add_tiles(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    require("serve", "fastapi", "uvicorn")
    from ..serve import build_app, build_server

    with _listen(args.host, args.port) as listener:
        host, port = listener.getsockname()[:2]
        shared = not ipaddress.ip_address(host).is_loopback
        token = _token() if shared and not args.no_token else None
        hosts = {args.host, socket.gethostname(), *args.allow_host}
        predictor = open_predictor(args)
        level = interval_level(args, predictor)
        app = build_app(predictor, level=level, hosts=hosts, token=token)
        if shared:
            remark(
                f"locount serve: everyone who can reach {host}"
                f"{' and has the token' if token else ''} can use this page; there is no "
                "encryption"
            )
        address = f"[{host}]" if ":" in host else host
        query = f"/?token={token}" if token else ""
        print(f"http://{address}:{port}{query}  (Ctrl+C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            build_server(app).run(sockets=[listener])
    return 0


def _token() -> str:
    token = os.environ.get("LOCOUNT_TOKEN")
    if token is not None and not re.fullmatch(r"[\w.~-]{8,}", token, re.ASCII):
        raise InputError("LOCOUNT_TOKEN must have 8 or more letters, digits or any of - . _ ~")
    return token or secrets.token_urlsafe(16)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:  # the last of a name such as .shop
        raise InputError(
            f"can't listen on {host}, port {port} ({error}): choose others with --host and --port"
        ) from error
