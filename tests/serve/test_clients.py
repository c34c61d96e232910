"""Clients that are slow, many, or not who they say they are."""

import contextlib
import http.client
import io
import json
import socket
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from locount.serve import app, build_app, build_server, server


def connect(address):
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def ask(address, method="GET", path="/health", body=None, **headers):
    """Status, headers and content of an answer."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@pytest.fixture
def photo(photos):
    return (photos / "Locount_ImagesTest/0.jpg").read_bytes()


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"


def test_others_are_answered_while_slow_clients_hang(served, photo):
    address, _ = served
    with contextlib.ExitStack() as stack:
        for start in (HEAD + photo[:100], HEAD[:30]):
            for _ in range(50):
                stack.enter_context(connect(address)).sendall(start)
        assert ask(address)[0] == 200
        assert ask(address, "POST", "/predict", photo)[0] == 200


def test_a_client_that_stops_sending_is_told_so(served, photo, monkeypatch):
    monkeypatch.setattr(app, "STALL_SECONDS", 0.1)
    with connect(served[0]) as client:
        client.sendall(HEAD + photo[:100])
        assert client.recv(1000).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("sent", [b"", b"GET / HT"])
def test_a_connection_without_a_request_is_ended(served, monkeypatch, sent):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    with connect(served[0]) as client:
        client.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1000) == b""


def test_who_waits_when_the_server_ends_is_told_so(served, photo, running, monkeypatch):
    monkeypatch.setattr(server, "SHUTDOWN_SECONDS", 0.1)
    with running(build_server(build_app(served[1]))) as address:
        client = connect(address)
        client.sendall(HEAD + photo[:100])
        assert ask(address)[0] == 200  # the request before it has arrived too
    with client:
        assert client.recv(1000).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("path", ["/", "/page.css", "/health"])
def test_the_heads_of_answers_can_be_asked_for(served, path):
    status, headers, content = ask(served[0], "HEAD", path)
    assert (status, content) == (200, b"")
    assert headers["Content-Length"] == ask(served[0], "GET", path)[1]["Content-Length"]


def test_what_lies_in_memory_is_bounded(served, photo, monkeypatch):
    monkeypatch.setattr(app, "MAX_HELD_BYTES", len(photo) + 50)
    with connect(served[0]) as other:
        other.sendall(HEAD + photo[:100])
        status, headers, _ = ask(served[0], "POST", "/predict", photo)
        assert status == 503
        assert int(headers["Retry-After"]) > 0
    with connect(served[0]) as other:  # what a client that left had sent is not counted any more
        other.sendall(HEAD + photo[:100])
    for _ in range(100):
        if ask(served[0], "POST", "/predict", photo)[0] == 200:
            return
    pytest.fail("the server stays busy")


def test_photos_in_a_long_queue_are_refused(served, photo, monkeypatch):
    monkeypatch.setattr(app, "MAX_WAITING", 0)
    assert ask(served[0], "POST", "/predict", photo)[0] == 503


def test_a_photo_of_too_many_pixels_is_refused(served, photo, monkeypatch):
    monkeypatch.setattr(app, "MAX_PIXELS", 64 * 64 - 1)
    status, _, content = ask(served[0], "POST", "/predict", photo)
    assert status == 413
    assert "megapixels" in json.loads(content)["detail"]


def test_a_photo_that_the_model_cannot_take_is_refused_in_words(served):
    file = io.BytesIO()
    Image.new("RGB", (1, 20_000)).save(file, "PNG")
    status, _, content = ask(served[0], "POST", "/predict", file.getvalue())
    assert status == 422
    assert "1x20000 pixels" in json.loads(content)["detail"]


@pytest.mark.parametrize("kind", [None, "image/jpg", "IMAGE/JPEG; q=1", "text/plain"])
def test_content_decides_not_its_declared_type(served, photo, kind):
    headers = {} if kind is None else {"Content_Type": kind}
    assert ask(served[0], "POST", "/predict", photo, **headers)[0] == 200


def test_a_photo_is_turned_as_the_browser_shows_it(served):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    tags = Image.Exif()
    tags[274] = 6  # EXIF orientation: a quarter turn
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=tags)
    answer = json.loads(ask(served[0], "POST", "/predict", file.getvalue())[2])
    assert (answer["width"], answer["height"]) == (40, 60)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8000"}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "192.168.1.7"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Origin": "http://[::1"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
    ],
)
def test_only_pages_of_the_server_itself_may_ask(served, headers, status):
    assert ask(served[0], **headers)[0] == status


@pytest.mark.parametrize("path", ["/", "/none", "/predict"])
def test_all_answers_forbid_what_the_page_does_not_need(served, path):
    for host in ("localhost", "evil.example"):
        assert (
            "default-src 'self'"
            in ask(served[0], path=path, Host=host)[1]["Content-Security-Policy"]
        )


@pytest.fixture
def locked(served, running):
    with running(build_server(build_app(served[1], token="s3cret"))) as address:
        yield address


def test_without_the_token_nothing_is_told(locked, photo):
    assert ask(locked)[0] == 200  # that it runs
    for headers in ({}, {"Authorization": "Bearer no"}, {"Cookie": "locount_=x"}):
        for path in ("/", "/page.js", "/predict", "/?token=no"):
            assert ask(locked, path=path, **headers)[0] == 401
        assert ask(locked, "POST", "/predict", photo, **headers)[0] == 401


def test_the_address_with_the_token_opens_the_page(locked, photo):
    status, headers, _ = ask(locked, path="/?token=s3cret")
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert ask(locked, "POST", "/predict", photo, Cookie=cookie.split(";")[0])[0] == 200
