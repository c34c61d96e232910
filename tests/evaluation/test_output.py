import json
import os
import stat

import pytest

from locount.evaluation.output import to_json, write_bytes


def test_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "metrics.json"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["metrics.json"]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "metrics.json"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "text is no bytes")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_file_has_the_users_permissions(tmp_path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


def test_undefined_figures_are_null():
    assert json.loads(to_json({"AP": float("nan"), "AR": 1.5})) == {"AP": None, "AR": 1.5}
