"""Drop photos on a page in the browser and see what is on them."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import socket
import sys

from ..errors import InputError
from .options import add_model_arguments, open_predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; by default only this machine reaches it",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one; default: 8000")
    parser.add_argument("--device", help="such as cuda:1 (default: MODEL.DEVICE of the config)")


def run(args: argparse.Namespace) -> int:
    try:
        import uvicorn

        from ..inference.serve import build_app
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "fastapi"):
            raise
        raise InputError(
            f"{error.name} is not installed: pip install 'locount[serve]', or -e '.[serve]' in a "
            "checkout"
        ) from error

    with _listen(args.host, args.port) as listener:
        app = build_app(open_predictor(args, device=args.device))
        host, port = listener.getsockname()[:2]
        if not ipaddress.ip_address(host).is_loopback:
            print(
                f"locount serve: everyone who can reach {host} can use this page; there is no "
                "password and no encryption",
                file=sys.stderr,
            )
        address = f"[{host}]" if ":" in host else host
        print(f"http://{address}:{port}  (Ctrl+C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"can't listen on {host}, port {port} ({error}): choose others with --host and --port"
        ) from error
