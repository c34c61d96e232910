"""A correction of one of detectron2's files, and its exact application."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Correction:
    """Replace `old`, which must occur exactly once in `file`, by `new`."""

    file: str
    old: str
    new: str
    why: str


class CorrectionError(RuntimeError):
    """A correction doesn't fit the sources."""


def apply_corrections(root: Path, corrections: Iterable[Correction]) -> None:
    """Correct the files below `root` in place, and note it at the end of each, as its licence asks.

    CorrectionError, which lists every one that fails, unless each `old` occurs exactly once.
    """
    problems = []
    reasons: dict[Path, list[str]] = {}
    for correction in corrections:
        path = root / correction.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        found = text.count(correction.old)
        if found == 1:
            path.write_text(text.replace(correction.old, correction.new), encoding="utf-8")
            reasons.setdefault(path, []).append(correction.why)
        else:
            problems.append(
                f"  - {correction.file}: found {found} times, wanted once: {correction.old!r}\n"
                f"    (it is there because {correction.why})"
            )
    if problems:
        raise CorrectionError(
            "These corrections don't fit the sources of detectron2:\n" + "\n".join(problems)
        )
    for path, why in reasons.items():
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"# Changed from detectron2 0.6: {w}.\n" for w in dict.fromkeys(why))
