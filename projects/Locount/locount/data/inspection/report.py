"""The report on datasets: findings and statistics as text, data and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from tabulate import tabulate

from ...errors import DatasetError, InputError, listing
from ...files import to_csv, to_json, write_bytes
from ..formats.base import Survey
from ..formats.registry import PREFIXES, source_of
from .boxes import BoxTable, box_problems, box_table
from .findings import COLUMNS, SEVERITIES, Dataset, Finding
from .photos import image_findings
from .statistics import Statistics, statistics


@dataclass(frozen=True)
class Report:
    """What is wrong with datasets and what they hold.

    Attributes:
        findings: all of them, errors first.
        statistics: by name of the dataset, of the part without errors.
    """

    datasets: list[Dataset]
    tables: dict[str, BoxTable]
    findings: list[Finding]
    statistics: dict[str, Statistics]

    def num(self, severity: str) -> int:
        return sum(finding.severity == severity for finding in self.findings)

    def paths(self, kind: str) -> set[str]:
        """The files that a kind of finding is about."""
        return {finding.problem.path for finding in self.findings if finding.kind == kind}

    def as_dict(self) -> dict[str, Any]:
        return {
            "errors": self.num("error"),
            "warnings": self.num("warning"),
            "findings": [finding.as_dict() for finding in self.findings],
            "statistics": {name: s._asdict() for name, s in self.statistics.items()},
        }

    def text(self) -> str:
        """Statistics as tables, then the findings: of each kind the first ones."""
        return "\n\n".join([*self._tables(), *self._listings()])

    def _tables(self) -> Iterator[str]:
        for name, s in self.statistics.items():
            rows = [[key, _cell(value)] for key, value in s.summary[0].items()]
            yield f"{name}\n{_table(rows, ['', 'all'])}"
            shown = [row for row in s.categories if row["boxes"]]
            empty = [row["name"] for row in s.categories if not row["boxes"]]
            for part in (s.subsets, s.groups, shown):
                if part:
                    yield _table([[_cell(v) for v in row.values()] for row in part], list(part[0]))
            if empty:
                of = f"{len(empty)} of {len(s.categories)} categories have no box"
                yield f"{of}: {', '.join(empty[:20])}{', ...' if len(empty) > 20 else ''}"

    def _listings(self) -> Iterator[str]:
        for kind, number in Counter(finding.kind for finding in self.findings).items():
            problems = [finding.problem for finding in self.findings if finding.kind == kind]
            yield f"{SEVERITIES[kind]}: {kind}, {number}\n{listing(problems)}"
        yield f"{self.num('error')} errors, {self.num('warning')} warnings"

    def write(self, folder: Path) -> None:
        """Write report.json, the tables as CSV, the plots as PNG and contact_sheet.jpg."""
        # Only here: matplotlib takes a second to import.
        from .contact_sheet import contact_sheet
        from .plots import categories, distributions

        findings = [finding.as_dict() for finding in self.findings]
        files = {
            "report.json": to_json(self.as_dict()),
            "findings.csv": to_csv(findings, COLUMNS),
            "distributions.png": distributions(self.statistics, self.tables),
            "categories.png": categories(self.statistics),
            "contact_sheet.jpg": contact_sheet(self.datasets),
        }
        for part in Statistics._fields:
            rows = [
                {"dataset": name, **row}
                for name, s in self.statistics.items()
                for row in getattr(s, part)
            ]
            # Datasets with groups have a column more than those without.
            columns = list(dict.fromkeys(column for row in rows for column in row))
            rows = [{column: row.get(column, "") for column in columns} for row in rows]
            files[f"{part}.csv"] = to_csv(rows, columns or ["dataset"])
        for name, data in files.items():
            write_bytes(folder / name, data)


def inspect_datasets(names: Sequence[str], *, decode: bool = True) -> Report:
    """Find everything that is wrong with datasets, and count what they hold.

    Args:
        names: as in ``DATASETS.TRAIN``. Images are compared between all of them.
        decode: whether to decode the images; without, nothing is known of their content.

    Raises:
        InputError: for a name that leads to no dataset, and for data that can't be read at all.
    """
    datasets, findings = [], []
    for name in dict.fromkeys(names):
        survey = _survey(name)
        classes = survey.metadata.get("thing_classes", [])
        groups = survey.metadata.get("thing_groups", [])
        datasets.append(Dataset(name, list(survey.records), classes, groups))
        kinds = dict.fromkeys(survey.unreadable, "unreadable image")
        findings += [Finding(name, kinds.get(p.path, "unusable"), p) for p in survey.problems]
        findings += [Finding(name, "number that is not a count", hint) for hint in survey.hints]
    tables = {dataset.name: box_table(dataset.records) for dataset in datasets}
    for dataset in datasets:
        problems = box_problems(dataset, tables[dataset.name])
        findings += [Finding(dataset.name, kind, problem) for kind, problem in problems]
    if decode:
        findings += image_findings(datasets)
    order = list(SEVERITIES)  # errors first
    findings.sort(key=lambda finding: order.index(finding.kind))
    return Report(
        datasets, tables, findings, {d.name: statistics(d, tables[d.name]) for d in datasets}
    )


def _survey(name: str) -> Survey:
    source = source_of(name)
    if source is None:
        if name not in DatasetCatalog:
            forms = ", ".join(f"{prefix}:..." for prefix in sorted(PREFIXES))
            raise InputError(f"{name!r} is not a dataset: write a name of the form {forms}")
        records = DatasetCatalog.get(name)
        return Survey(records, MetadataCatalog.get(name).as_dict(), [])
    try:
        return source.survey()
    except DatasetError as error:
        # Without a list of problems there is nothing to report on.
        if not error.problems:
            raise
        return Survey([], {}, list(error.problems))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if np.isnan(value) else f"{value:.2f}"
    return str(value)


def _table(rows: list[list[str]], headers: Sequence[str]) -> str:
    # disable_numparse: tabulate would drop the zeros at the end of 50.00
    align = ["left" if header in ("", "name", "group", "subset") else "right" for header in headers]
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=align)
