"""Options that every dataset name has: fewer photos, other categories, repetition."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from ..errors import DatasetError, Problem, listing
from ..texts import read_csv, read_lines
from .formats.base import Source, Survey
from .formats.records import Records
from .names import DatasetName, Option, flag, positive, whole_number


class Part(NamedTuple):
    """The parts ``first`` to ``last``, from 0, of ``total``."""

    first: int
    last: int
    total: int


def _category(text: str) -> str:
    if not text.strip():
        raise ValueError("without the name of a category")
    return text.strip()


def _file(text: str) -> str:
    if not text:
        raise ValueError("without a file")
    return os.path.expanduser(text)


def _part(text: str) -> Part:
    match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?/([0-9]{1,6})", text)
    if match:
        first, total = int(match[1]), int(match[3])
        part = Part(first, int(match[2] or first), total)
        if part.first <= part.last < part.total:
            return part
    raise ValueError("not a part; parts count from 0")


OPTIONS = {
    "skip_invalid": Option("skip_invalid", flag),
    "photos": Option("photos=FILE.txt", _file),
    "without": Option("without=FILE.txt", _file),
    "subset": Option("subset=N", positive),
    "seed": Option("seed=N", whole_number),
    "as": Option("as=CATEGORY", _category),
    "map": Option("map=FILE.csv", _file),
    "part": Option("part=0/10 or part=1-9/10", _part),
    "runs": Option("runs=N", positive),
    "repeat": Option("repeat=N", positive),
}


def select(source: Source, name: DatasetName, options: dict[str, Any]) -> Source:
    """The source with the options of its name, which may be none.

    Raises:
        DatasetError: for options that exclude each other, or a map that can't be read.
    """
    wrong = ""
    if "as" in options and "map" in options:
        wrong = "as= and map= exclude each other"
    elif "photos" in options and "without" in options:
        wrong = "photos= and without= exclude each other"
    elif "runs" in options and "part" not in options:
        wrong = "runs= needs part=K/N"
    elif "seed" in options and "subset" not in options:
        wrong = "seed= needs subset=N"
    if wrong:
        raise DatasetError(f"The dataset {name.text!r} can't be read: {wrong}")
    return Selected(source, name, options) if options else source


class Selected(Source):
    """A source through the options of its name, in this order: what is invalid, photos by name,
    subset, categories, part, repetition.
    """

    def __init__(self, source: Source, name: DatasetName, options: dict[str, Any]) -> None:
        self.source, self.title, self.split = source, repr(name.text), source.split
        self.skip_invalid = options.get("skip_invalid", False)
        self.list_file = options.get("photos") or options.get("without")
        self.are_wanted = "photos" in options
        self.subset, self.seed = options.get("subset"), options.get("seed", 0)
        self.part, self.runs = options.get("part"), options.get("runs", 1)
        self.repeat, self.one_category = options.get("repeat", 1), options.get("as")
        self.map_file = options.get("map")
        self._targets = read_map(self.map_file) if self.map_file else None

    @property
    def image_root(self) -> str:
        return self.source.image_root

    def metadata(self) -> dict[str, Any]:
        """Detectron2's metadata; with ``as`` or ``map`` of the new categories.

        Raises:
            DatasetError: if the map leaves a category without a target.
        """
        return self._new_metadata(self.source.metadata())

    def load(self, *, skip_invalid: bool = False) -> Records:
        """The dataset dicts that are selected; with ``repeat`` each of them several times.

        Raises:
            DatasetError: for data that can't be used, and for too few photos.
        """
        records = self.source.load(skip_invalid=skip_invalid or self.skip_invalid)
        records = self._select(records, self.source.metadata())
        return records.take([*range(len(records))] * self.repeat)

    def survey(self) -> Survey:
        """As of the source, of what is selected; photos that repeat are there once."""
        survey = self.source.survey()
        if survey.problems and self.part is not None and not self.skip_invalid:
            # The parts of what is sound would be others than those of the whole.
            raise DatasetError(f"{self.title} can't be cut into parts:", survey.problems)
        records = self._select(cast(Records, survey.records), survey.metadata)
        return survey._replace(records=records, metadata=self._new_metadata(survey.metadata))

    def _select(self, records: Records, metadata: dict[str, Any]) -> Records:
        if self.list_file is not None:
            listed = self._listed(records)
            chosen = [(name in listed) == self.are_wanted for name in self._names(records.paths())]
            records = records.take(np.flatnonzero(chosen))
        if self.subset is not None:
            names = self._names(records.paths())
            records = records.take(in_subset(names, self.subset, self.seed, self.title))
        new_id = self._new_ids(metadata["thing_classes"])
        if new_id is not None:
            records = records.with_categories(new_id)
        if self.part is not None:
            chosen = in_part(records.paths(), self.part, self.runs, self.title)
            records = records.take(np.flatnonzero(chosen))
        return records

    def _names(self, paths: Iterable[str]) -> list[str]:
        """Of photos below the folder of images, parted by ``/``."""
        root = self.source.image_root
        return [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]

    def _listed(self, records: Records) -> set[str]:
        """The names in the list.

        Raises:
            DatasetError: for those that the source does not have, not even as photos that are left
                out, and for a list without any.
        """
        path, root = cast(str, self.list_file), self.source.image_root
        lines = {line.strip(): number for number, line in enumerate(read_lines(path), 1)}
        lines.pop("", None)
        unknown = lines.keys() - set(self._names(records.paths()))
        if unknown:
            unknown -= set(self._names(self.source.photos()))
        problems = [
            Problem(
                path, lines[name], f"{name!r} is not a photo below {root}: correct or remove it"
            )
            for name in sorted(unknown, key=lines.__getitem__)
        ]
        if not lines:
            problems.append(Problem(path, None, "names no photo: write one a line"))
        if problems:
            raise DatasetError(f"The list of photos of {self.title} can't be used:", problems)
        return set(lines)

    def _new_metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        self._new_ids(metadata["thing_classes"])
        if self.one_category:
            return {"thing_classes": [self.one_category]}
        if self._targets is not None:
            return {"thing_classes": _categories(self._targets)}
        return metadata

    def _new_ids(self, classes: Sequence[str]) -> list[int | None] | None:
        """Of each category its new one, None where its boxes are left out; None without a map."""
        if self.one_category:
            return [0] * len(classes)
        if self._targets is None:
            return None
        missing = [name for name in classes if name not in self._targets]
        if missing:
            raise DatasetError(
                f"{self.map_file} has no target for {len(missing)} categories of {self.title}. "
                "Add a line for each: from,to (an empty target leaves its boxes out):\n"
                f"{listing(missing)}"
            )
        new_id = {name: i for i, name in enumerate(_categories(self._targets))}
        return [new_id.get(self._targets[name]) for name in classes]


def _categories(targets: dict[str, str]) -> list[str]:
    """The new categories, in the order in which the map names them first."""
    return list(dict.fromkeys(target for target in targets.values() if target))


def read_map(path: str) -> dict[str, str]:
    """The target of each category, "" for none, from a CSV file with the columns from,to.

    Raises:
        InputError: with all that is wrong with the file.
    """
    rows = [(line, [cell.strip() for cell in row]) for line, row in read_csv(path)]
    targets: dict[str, str] = {}
    problems = []
    if [row for _, row in rows[:1]] != [["from", "to"]]:
        problems.append(Problem(path, 1, "is not the header from,to: write it there"))
    for line, row in rows[1:]:
        if len(row) != 2 or not row[0]:
            problems.append(Problem(path, line, f"{','.join(row)!r} is not a line from,to"))
        elif row[0] in targets:
            problems.append(Problem(path, line, f"{row[0]!r} has a target already: remove one"))
        else:
            targets[row[0]] = row[1]
    if not problems and not _categories(targets):
        problems.append(Problem(path, None, "has no target at all: write lines from,to"))
    if problems:
        raise DatasetError("The map of categories can't be used:", problems)
    return targets


def in_subset(names: Sequence[str], number: int, seed: int, title: str) -> list[int]:
    """So many of the positions, ascending; seed and names decide which, and nothing else.

    Raises:
        DatasetError: if there are fewer.
    """
    if number > len(names):
        raise DatasetError(f"{title} has {len(names)} images: a subset of {number} can't be taken")
    # Digests, because random numbers depend on the version of the library.
    keys = [f"{seed}/{name.replace(os.sep, '/')}".encode() for name in names]
    digests = [hashlib.blake2b(key, digest_size=16).digest() for key in keys]
    return sorted(sorted(range(len(keys)), key=digests.__getitem__)[:number])


def in_part(files: Sequence[str], part: Part, runs: int, title: str) -> list[bool]:
    """Of each file whether it belongs to a part.

    The files, in the order of their names (2.jpg before 10.jpg), are cut into ``runs * total``
    pieces of consecutive ones, as equal as can be, which are dealt to the parts in turn: photos of
    one shelf, which follow each other, stay together but for the cuts. So the parts are disjoint
    and cover the files, and a part depends on the names only.

    Raises:
        DatasetError: if there are fewer files than pieces.
    """
    pieces = runs * part.total
    if len(files) < pieces:
        raise DatasetError(
            f"{title} has {len(files)} photos, which can't be cut into {pieces} pieces "
            f"({part.total} parts, runs={runs}): ask for fewer"
        )
    chosen = [False] * len(files)
    for place, i in enumerate(sorted(range(len(files)), key=lambda i: _natural(files[i]))):
        chosen[i] = part.first <= place * pieces // len(files) % part.total <= part.last
    return chosen


def _natural(text: str) -> list[str | int]:
    return [int(s) if i % 2 else s for i, s in enumerate(re.split(r"([0-9]+)", text))]
