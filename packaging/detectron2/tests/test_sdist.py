import functools
import hashlib
import http.server
import threading

import pytest

pytest.importorskip("unearth", reason="unearth comes with `pip install -e .[test]`")

import sdist
from index_settings import IndexSettings
from sdist import FetchError, fetch_sdist

FILE_NAME = "pb1-detectron2-0.6.tar.gz"


@pytest.fixture
def index(tmp_path):
    """A package index on this machine: its address, and the folder of the package's page."""
    page = tmp_path / "simple" / "pb1-detectron2"
    page.mkdir(parents=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/simple", page
    server.shutdown()
    thread.join()
    server.server_close()


def publish(page, content: bytes):
    (page / FILE_NAME).write_bytes(content)
    (page / "index.html").write_text(f'<a href="{FILE_NAME}">{FILE_NAME}</a>')


def test_a_file_with_another_sha256_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not the real one")
    settings = IndexSettings(find_links=(str(tmp_path),))
    found = hashlib.sha256(b"not the real one").hexdigest()
    with pytest.raises(FetchError, match=rf"{found}.*{sdist.SHA256} is expected"):
        fetch_sdist(tmp_path / "out.tar.gz", settings)


def test_the_index_serves_the_file(tmp_path, monkeypatch, index):
    url, page = index
    publish(page, b"content")
    monkeypatch.setattr(sdist, "SHA256", hashlib.sha256(b"content").hexdigest())
    fetch_sdist(tmp_path / "out.tar.gz", IndexSettings(index_urls=(url,)))
    assert (tmp_path / "out.tar.gz").read_bytes() == b"content"


def test_a_place_that_fails_does_not_stop_the_next_one(tmp_path, monkeypatch, index):
    url, page = index
    publish(page, b"content")
    monkeypatch.setattr(sdist, "SHA256", hashlib.sha256(b"content").hexdigest())
    settings = IndexSettings(
        find_links=(str(tmp_path / "no such folder"),),
        index_urls=("http://localhost:9/closed", f"{url}/no-such-index", url),
    )
    fetch_sdist(tmp_path / "out.tar.gz", settings)
    assert (tmp_path / "out.tar.gz").read_bytes() == b"content"


def test_not_found_names_every_place_tried_and_the_cure(tmp_path, index):
    url, _ = index
    folder = tmp_path / "wheels"
    folder.mkdir()
    settings = IndexSettings(
        find_links=(str(folder),), index_urls=(f"{url}/empty", "http://localhost:9/closed")
    )
    with pytest.raises(FetchError) as caught:
        fetch_sdist(tmp_path / "out.tar.gz", settings)
    message = str(caught.value)
    assert f"{folder}: not there" in message
    assert f"{url}/empty: " in message
    assert "404" in message
    assert "http://localhost:9/closed: ConnectError" in message
    assert "PIP_INDEX_URL" in message


def test_a_password_is_not_printed(tmp_path):
    settings = IndexSettings(index_urls=("http://user:secret@localhost:9/simple",))
    with pytest.raises(FetchError) as caught:
        fetch_sdist(tmp_path / "out.tar.gz", settings)
    assert "secret" not in str(caught.value)
