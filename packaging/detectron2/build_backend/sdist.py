"""Find, download and check the source distribution that holds detectron2's Python files."""

import hashlib
import logging
import os
import ssl
import tarfile
from pathlib import Path

import httpx2
from index_settings import IndexSettings, read_index_settings
from unearth import Link, PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.fetchers import PyPIClient

NAME = "pb1-detectron2"
VERSION = "0.6"
SHA256 = "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29"


class FetchError(RuntimeError):
    """The source distribution can't be had, or isn't the right one."""


def unpack_sdist(folder: Path, settings: IndexSettings | None = None) -> Path:
    """Fetch the source distribution into `folder`; return the root of its unpacked files."""
    archive = folder / f"{NAME}-{VERSION}.tar.gz"
    fetch_sdist(archive, settings or read_index_settings(os.environ))
    with tarfile.open(archive) as tar:
        # The sha256 was checked, so nothing in the archive is unknown.
        tar.extractall(folder)
    return folder / f"{NAME}-{VERSION}"


def fetch_sdist(archive: Path, settings: IndexSettings) -> None:
    """Write the first file found in the places of `settings` to `archive`.

    FetchError if no place has it, or if what is found has another sha256.
    """
    sources = [{"find_links": [url]} for url in settings.find_links]
    sources += [{"index_urls": [url]} for url in settings.index_urls]
    tried = []
    with _open_session(settings) as session:
        for source in sources:
            finder = PackageFinder(session=session, no_binary=[NAME], **source)
            place = _redact(finder.sources[0]["url"])
            with _Warnings() as warnings:
                try:
                    best = finder.find_best_match(f"{NAME}=={VERSION}").best
                    if best is not None:
                        _download(session, best.link, archive)
                        return
                except (httpx2.HTTPError, OSError, ValueError) as error:
                    warnings.messages.append(f"{type(error).__name__}: {error}")
            tried.append(f"{place}: {'; '.join(warnings.messages) or 'not there'}")
    raise FetchError(_not_found_message(tried))


def check_sha256(archive: Path, origin: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise FetchError(
            f"{origin} has the sha256 {found}, but {SHA256} is expected. Nothing was built. "
            "Your index serves another file under this name, or the download was cut short: "
            "clear its cache, or have a folder with the right file in PIP_FIND_LINKS."
        )


def _download(session: httpx2.Client, link: Link, archive: Path) -> None:
    with session.stream("GET", link.normalized, follow_redirects=True) as response:
        response.raise_for_status()
        with archive.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
    check_sha256(archive, link.redacted)


def _open_session(settings: IndexSettings) -> PyPIClient:
    session = PyPIClient(
        trusted_hosts=settings.trusted_hosts,
        verify=ssl.create_default_context(cafile=settings.certificate)
        if settings.certificate
        else True,
        cert=settings.client_certificate,
        timeout=settings.timeout,
        follow_redirects=True,
        **({"proxy": settings.proxy} if settings.proxy else {}),
    )
    session.auth = MultiDomainBasicAuth(prompting=False, index_urls=settings.index_urls)
    return session


def _redact(place: str) -> str:
    return Link(place).redacted if "://" in place else place


def _not_found_message(tried: list[str]) -> str:
    places = "\n".join(f"  - {line}" for line in tried) or "  - none: no-index is set"
    return (
        f"{NAME} {VERSION} (a source distribution, 0.5 MB) was not found. Tried:\n{places}\n"
        "Cures:\n"
        "  - Name your index in PIP_INDEX_URL or in pip's configuration file. Options on the\n"
        "    command line of pip or uv don't reach a build.\n"
        f"  - Without a network: put {NAME}-{VERSION}.tar.gz into a folder and name the folder in\n"
        "    PIP_FIND_LINKS."
    )


class _Warnings(logging.Handler):
    """Collects what unearth logs instead of raising, for instance an index that answers 404."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> "_Warnings":
        logging.getLogger("unearth").addHandler(self)
        return self

    def __exit__(self, *_) -> None:
        logging.getLogger("unearth").removeHandler(self)
