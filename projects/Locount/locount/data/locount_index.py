"""What a split in Locount layout holds: its annotation files and images, read once, then cached."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .errors import Problem
from .images import IMAGE_SUFFIXES, read_image_sizes
from .index_cache import FileStamp, cache_directory, cached_arrays
from .locount_layout import SplitFolders, scan
from .locount_txt import AnnotationTable, parse_files

logger = logging.getLogger(__name__)


class SplitTexts(NamedTuple):
    """The annotation files of a split by key, sorted, and the table of their well-formed lines."""

    files: dict[str, FileStamp]
    table: AnnotationTable
    problems: list[Problem]

    @property
    def paths(self) -> list[str]:
        """In the order of the table's ``file_id``."""
        return [stamp.path for stamp in self.files.values()]


class SplitImages(NamedTuple):
    """The images of a split by key, sorted, and (N, 2) heights and widths, 0 where unreadable."""

    files: dict[str, FileStamp]
    sizes: np.ndarray
    problems: list[Problem]


def read_texts(folders: SplitFolders) -> SplitTexts:
    """From the cache, unless a file has changed since or one has a problem."""
    files, problems = scan(folders.texts, (".txt",))
    paths = [stamp.path for stamp in files.values()]

    def build() -> tuple[dict[str, np.ndarray], bool]:
        logger.info("Reading the %d annotation files of %s", len(paths), folders.texts)
        table, found = parse_files(paths)
        problems.extend(found)
        return table._asdict(), not found

    arrays = cached_arrays("annotations", folders.texts, files.values(), build)
    return SplitTexts(files, AnnotationTable(**arrays), problems)


def read_images(folders: SplitFolders) -> SplitImages:
    """From the cache, unless a file has changed since or one has a problem."""
    files, problems = scan(folders.images, IMAGE_SUFFIXES)
    paths = [stamp.path for stamp in files.values()]

    def build() -> tuple[dict[str, np.ndarray], bool]:
        where = cache_directory()
        logger.info("Reading the sizes of %d images; they are kept in %s", len(paths), where)
        sizes, errors = read_image_sizes(paths)
        problems.extend(Problem(paths[i], None, text) for i, text in errors.items())
        return {"sizes": sizes}, not errors

    arrays = cached_arrays("sizes", folders.images, files.values(), build)
    return SplitImages(files, arrays["sizes"], problems)


def sound_part(
    images: SplitImages, texts: SplitTexts, classes: Sequence[str], problems: Iterable[Problem]
) -> tuple[SplitImages, SplitTexts]:
    """The pairs of files that no problem is about, and their lines, likewise.

    Lines of categories that are not in ``classes`` go too: with an unusable ``categories.txt`` no
    problem names them.
    """
    faulty = {(problem.path, problem.line) for problem in problems}
    keys = [
        key
        for key in sorted(images.files.keys() & texts.files.keys())
        if not {(images.files[key].path, None), (texts.files[key].path, None)} & faulty
    ]
    size_of = dict(zip(images.files, images.sizes, strict=True))
    sizes = np.array([size_of[key] for key in keys], dtype=images.sizes.dtype).reshape(-1, 2)

    table, paths = texts.table, texts.paths
    position = {key: i for i, key in enumerate(keys)}
    new_file = np.array([position.get(key, -1) for key in texts.files], dtype=np.int32)
    known = np.array([name in set(classes) for name in table.names.tolist()], dtype=bool)
    places = zip(table.file_id.tolist(), table.line.tolist(), strict=True)
    sound = np.array([(paths[file], line) not in faulty for file, line in places], dtype=bool)
    sound &= known[table.name_id] & (new_file[table.file_id] >= 0)
    kept = AnnotationTable(
        file_id=new_file[table.file_id[sound]],
        line=table.line[sound],
        box=table.box[sound],
        name_id=(known.cumsum(dtype=np.int32) - 1)[table.name_id[sound]],
        count=table.count[sound],
        repeated=table.repeated[sound],
        names=table.names[known],
    )
    return (
        SplitImages({key: images.files[key] for key in keys}, sizes, []),
        SplitTexts({key: texts.files[key] for key in keys}, kept, []),
    )
