"""What a training run or an evaluation left in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectron2.config import CfgNode, get_cfg

from ..config import add_locount_config
from ..config.merging import file_keys, merge
from ..errors import InputError, listing
from ..evaluation.legend import DETECTIONS, GROUND_TRUTH, Photo, read_legend
from ..texts import TextError, parse_json, read_lines

# Folder of the evaluations in a run's, and what to say of them.
_KINDS = {"inference": "", "inference_TTA": " with test-time augmentation"}


@dataclass(frozen=True)
class Evaluation:
    """The two files of one evaluation.

    Attributes:
        dataset: its name in the config, or the folder's where the config does not name it.
        kind: what to say after the name; empty for a plain evaluation.
    """

    dataset: str
    kind: str
    folder: Path

    @property
    def title(self) -> str:
        return self.dataset + self.kind

    @property
    def ground_truth(self) -> Path:
        return self.folder / GROUND_TRUTH

    @property
    def detections(self) -> Path:
        return self.folder / DETECTIONS

    def photos(self) -> dict[int | str, Photo]:
        """The images of the ground truth by their ids."""
        return {photo.id: photo for photo in read_legend(self.ground_truth).images}


@dataclass(frozen=True)
class RunFolder:
    """What a report shows from the folder of a training or evaluation.

    Attributes:
        log: the lines of metrics.json by ascending iteration; empty without the file.
        last_checkpoint: its file name, None if there is none.
        notes: what could not be read, for the reader of the report.
    """

    path: Path
    cfg: CfgNode
    evaluations: list[Evaluation]
    log: list[dict]
    last_checkpoint: str | None
    notes: list[str]


def read_run_folder(path: Path, dataset: str | None = None) -> RunFolder:
    """Read the folder of a training or evaluation.

    Args:
        dataset: only the evaluations of this one, named as in the config or as its folder.

    Raises:
        InputError: if the folder has no config or no evaluation that can be used.
    """
    cfg = _read_config(path / "config.yaml")
    evaluations, incomplete = _find_evaluations(path, cfg.DATASETS.TEST)
    if dataset is not None:
        known = [e.dataset for e in evaluations]
        evaluations = [e for e in evaluations if dataset in (e.dataset, e.folder.name)]
        if not evaluations:
            raise InputError(f"{path} has no results on {dataset!r}, only on:\n{listing(known)}")
    notes: list[str] = []
    log = _read_log(path / "metrics.json", notes)
    checkpoint = _lines(path / "last_checkpoint", notes)
    return RunFolder(
        path=path,
        cfg=cfg,
        evaluations=evaluations,
        log=log,
        last_checkpoint=checkpoint[0].strip() if checkpoint else None,
        notes=incomplete + notes,
    )


def _read_config(path: Path) -> CfgNode:
    if not path.is_file():
        raise InputError(f"{path} is missing: name the OUTPUT_DIR of a run of train_net.py")
    cfg = get_cfg()
    add_locount_config(cfg)
    merge(cfg, file_keys(path), f"{path}: ", saved=True)
    return cfg


def _find_evaluations(path: Path, datasets: Sequence[str]) -> tuple[list[Evaluation], list[str]]:
    """Those with both files, and what is wrong with other folders."""
    found, incomplete = [], []
    for kind, text in _KINDS.items():
        for folder in sorted(p for p in path.glob(f"{kind}/*") if p.is_dir()):
            missing = [n for n in (GROUND_TRUTH, DETECTIONS) if not (folder / n).is_file()]
            if missing:
                incomplete.append(f"{folder} lacks {' and '.join(missing)}: evaluate it again")
                continue
            names = [name for name in datasets if _letters(name) == _letters(folder.name)]
            found.append(Evaluation(names[0] if names else folder.name, text, folder))
    if not found:
        raise InputError(
            f"{path} has no results to report: evaluate with `train_net.py --eval-only` and this "
            f"OUTPUT_DIR first\n{listing(incomplete or [f'no folder {path}/inference/<dataset>'])}"
        )
    return found, incomplete


def _letters(name: str) -> str:
    """What the name of a dataset and that of its folder have in common."""
    return "".join(filter(str.isalnum, name))


def _read_log(path: Path, notes: list[str]) -> list[dict]:
    """The lines with an iteration; others are noted: a killed run leaves half a line.

    An iteration that was run again after a crash is taken from its last line.
    """
    entries: dict[int, dict] = {}
    for number, text in enumerate(_lines(path, notes), 1):
        try:
            entry = parse_json(text.encode())  # not msgspec: Detectron2 writes NaN
            iteration = int(entry["iteration"])
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            notes.append(f"{path}:{number}: not a line of Detectron2's log, left out ({error!r})")
            continue
        entries[iteration] = entries.get(iteration, {}) | entry
    return [entries[iteration] for iteration in sorted(entries)]


def _lines(path: Path, notes: list[str]) -> list[str]:
    """Of a file that a report can do without."""
    if not path.is_file():
        return []
    try:
        return read_lines(path)
    except TextError as error:
        notes.append(f"{error}; left out")
        return []
