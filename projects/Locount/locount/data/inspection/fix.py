"""Corrected copies of datasets, in the layout of the originals."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError
from ...files import new_folder, to_csv
from ..formats.registry import source_of
from ..mending import CHANGES_FILE, COLUMNS, Changes
from .copying import Copy
from .fix_coco import fix_coco
from .fix_locount import fix_locount
from .report import Report

FIXERS = {"coco": fix_coco, "locount": fix_locount}


def write_fixed(report: Report, out: Path) -> int:
    """Write a corrected copy of the datasets of a report, and ``changes.csv``; return its rows.

    Corrected is only what leaves no choice: docs/check_data.md lists it. The copy appears when it
    is whole, and the originals are left as they are.

    Raises:
        InputError: for datasets that are neither splits of one folder in Locount layout nor one
            COCO file, and if there is anything at ``out`` but an empty folder.
    """
    sources = [source_of(dataset.name) for dataset in report.datasets]
    ours = [source for source in sources if source is not None]
    places = {(source.format, os.path.realpath(source.path)) for source in ours}
    alike = len(places) == 1 and len(ours) == len(sources)
    fix = FIXERS.get(ours[0].format) if alike else None
    if fix is None:
        raise InputError(
            "Only splits of one folder (locount:ROOT:train locount:ROOT:test) or one COCO file "
            "(coco:ANNOTATIONS.json:IMAGE_ROOT) can be corrected at a time: name just these, "
            "without options. `locount convert --mend --skip-invalid` corrects other formats"
        )
    path = ours[0].path
    changes = Changes(path if os.path.isdir(path) else os.path.dirname(path))
    unreadable, turned = report.paths("unreadable image"), report.paths("EXIF orientation")
    with new_folder(out) as folder:
        fix(ours, Copy(folder, changes, unreadable, turned))
        (folder / CHANGES_FILE).write_bytes(to_csv(changes.rows, COLUMNS))
    return len(changes.rows)
