"""Where the user's pip or uv looks for packages, from the environment and pip's configuration."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from unearth import PackageFinder

SECTIONS = ("global", "install", "wheel", "download", ":env:")
"""Sections of `pip config list` that are read; a later one overrides an earlier one."""


@dataclass(frozen=True)
class IndexSettings:
    index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    certificate: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    timeout: float = 30.0


def read_index_settings(environ: Mapping[str, str]) -> IndexSettings:
    """Settings of the calling process. uv's variables go before pip's configuration.

    Options on the command line of pip or uv can't be seen from a build: they aren't passed on.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, env=dict(environ))
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr.strip()}")
    return merge_settings(parse_pip_config(result.stdout), environ)


def parse_pip_config(listing: str) -> dict[str, str]:
    """Options by name, out of `pip config list`: lines `section.option='value'`."""
    by_section: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in by_section:
            by_section[section][option] = str(ast.literal_eval(value))
    return {option: value for part in by_section.values() for option, value in part.items()}


def merge_settings(pip: Mapping[str, str], environ: Mapping[str, str]) -> IndexSettings:
    """`pip` holds pip's options by name, `environ` uv's variables.

    Where neither names an index, it is the default one of `unearth`, which is pip's own.
    """
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or pip.get("index-url")
    defaults = [default] if default else _default_index_urls()
    extra = [
        *_named_urls(environ.get("UV_INDEX", "")),
        *environ.get("UV_EXTRA_INDEX_URL", "").split(),
        *pip.get("extra-index-url", "").split(),
    ]
    no_index = pip.get("no-index", "").lower() in ("1", "true", "yes", "on")
    find_links = [
        *filter(None, environ.get("UV_FIND_LINKS", "").split(",")),
        *pip.get("find-links", "").split(),
    ]
    return IndexSettings(
        index_urls=() if no_index else _unique([*_named_urls(" ".join(defaults)), *extra]),
        find_links=_unique(find_links),
        trusted_hosts=_unique(
            [*pip.get("trusted-host", "").split(), *environ.get("UV_INSECURE_HOST", "").split()]
        ),
        certificate=pip.get("cert"),
        client_certificate=pip.get("client-cert"),
        proxy=pip.get("proxy"),
        timeout=float(pip.get("timeout") or pip.get("default-timeout") or 30),
    )


def _default_index_urls() -> list[str]:
    return [source["url"] for source in PackageFinder().sources]


def _named_urls(text: str) -> list[str]:
    """uv lets an index be written `name=url`."""
    urls = []
    for word in text.split():
        name, equals, url = word.partition("=")
        urls.append(url if equals and "/" not in name else word)
    return urls


def _unique(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
