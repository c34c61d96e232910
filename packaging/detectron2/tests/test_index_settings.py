import importlib.metadata
import os

import pytest

pytest.importorskip("unearth", reason="unearth comes with `pip install -e .[test]`")

from index_settings import merge_settings, parse_pip_config, read_index_settings


def test_environment_goes_before_command_before_global():
    listing = "\n".join(
        [
            ":env:.cert='/env.pem'",
            "global.cert='/global.pem'",
            "global.index-url='http://global/'",
            "install.index-url='http://install/'",
            "freeze.index-url='http://other-command/'",
        ]
    )
    assert parse_pip_config(listing) == {"cert": "/env.pem", "index-url": "http://install/"}


def test_pip_options_of_several_words_are_lists():
    settings = merge_settings(
        {"index-url": "http://a/", "extra-index-url": "http://b/\nhttp://c/", "find-links": "x y"},
        {},
    )
    assert settings.index_urls == ("http://a/", "http://b/", "http://c/")
    assert settings.find_links == ("x", "y")


def test_uv_goes_before_pip():
    environ = {"UV_DEFAULT_INDEX": "own=http://uv/", "UV_INDEX": "http://x/ y=http://y/?a=b"}
    settings = merge_settings({"index-url": "http://pip/"}, environ)
    assert settings.index_urls == ("http://uv/", "http://x/", "http://y/?a=b")


def test_no_index_leaves_the_folders():
    settings = merge_settings({"no-index": "true", "find-links": "wheels"}, {})
    assert settings.index_urls == ()
    assert settings.find_links == ("wheels",)


def test_without_configuration_there_is_a_default_index():
    assert len(merge_settings({}, {}).index_urls) == 1


def test_variables_of_pip_reach_the_build():
    # pip isn't imported here: that would take setuptools' distutils away from later tests.
    if not any(importlib.metadata.distributions(name="pip")):
        pytest.skip("this environment has no pip to ask")
    environ = {
        **os.environ,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://localhost/simple",
        "PIP_FIND_LINKS": "wheels",
        "PIP_CERT": "/ca.pem",
        "PIP_TRUSTED_HOST": "localhost",
        "PIP_DEFAULT_TIMEOUT": "7",
    }
    environ = {key: value for key, value in environ.items() if not key.startswith("UV_")}
    settings = read_index_settings(environ)
    assert settings.index_urls == ("http://localhost/simple",)
    assert settings.find_links == ("wheels",)
    assert settings.certificate == "/ca.pem"
    assert settings.trusted_hosts == ("localhost",)
    assert settings.timeout == 7
