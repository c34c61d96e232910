"""Corrected copies of datasets, in the layout of the originals."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from locount.errors import InputError
from locount.files import new_folder, to_csv

from ..coco_json import CocoJson
from ..datasets import source_of
from ..locount_folder import LocountFolder
from ..mending import CHANGES_FILE, COLUMNS
from .fix_coco import fix_coco
from .fix_locount import fix_locount
from .report import Report


def write_fixed(report: Report, out: Path) -> int:
    """Write a corrected copy of the datasets of a report, and ``changes.csv``; return its rows.

    Corrected is only what leaves no choice: docs/check_data.md lists it. The copy appears when it
    is whole, and the originals are left alone.

    Raises:
        InputError: for datasets that are neither splits of one folder in Locount layout nor one
            COCO file, and if there is anything at ``out`` but an empty folder.
    """
    sources = [source_of(dataset.name) for dataset in report.datasets]
    images = report.paths("unreadable image"), report.paths("EXIF orientation")
    with new_folder(out) as folder:
        if _are_splits(sources):
            changes = fix_locount(sources, *images, folder)
        elif len(sources) == 1 and isinstance(sources[0], CocoJson):
            changes = fix_coco(sources[0], *images, folder)
        else:
            raise InputError(
                "Only splits of one folder (locount:ROOT:train locount:ROOT:test) or one COCO file "
                "(coco:ANNOTATIONS.json:IMAGE_ROOT) can be corrected at a time: name just these. "
                "`locount convert --mend` swaps reversed corners and cuts boxes in every format"
            )
        (folder / CHANGES_FILE).write_bytes(to_csv(changes.rows, COLUMNS))
    return len(changes.rows)


def _are_splits(sources: Sequence[object]) -> bool:
    return all(isinstance(source, LocountFolder) for source in sources) and (
        len({os.path.realpath(source.root) for source in sources}) == 1
    )
