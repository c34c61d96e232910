"""Precision and recall of `locount planogram check` on rendered shelves with planted deviations.

    python benchmarks/planograms.py --style varied
    python benchmarks/planograms.py --style plain --weights shelf --size 640 360
    python benchmarks/planograms.py --style plain --size 640 360 --first 3 --write output/planted

Each shelf is rendered twice: as planned, and from another place, in other light, with deviations.
The plan is made from the first picture and the second is checked by it. Without --weights the
boxes are the annotations, so that what is measured is rows, alignment and report; with weights both
pictures are predicted.

With --write nothing is measured: the pictures of one shelf are written, planned.jpg and now.jpg.

Planted are up to two deviations a board, of runs of one category: a run is taken away (missing), or
one item of it (wrong number); it changes places with another one as wide (two misplaced); or
something else stands in its place (missing, and a surplus).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from tabulate import tabulate

from locount.shelf.camera import Camera
from locount.shelf.layout import Placed
from locount.shelf.plain import Plain
from locount.shelf.render import STYLES, Picture, render
from locount.stock import ShelfPhoto, check_plan, runs_of
from locount.stock.compliance import MISPLACED, MISSING, NUMBER, RIGHT, STATUSES, SURPLUS

# Goods stand in this part of the width, so that both pictures show them all.
INNER = (0.14, 0.86)


class Planted:
    """A style in which goods depend on seed and board only, with or without deviations.

    Attributes:
        planted: (status, board, category) of each deviation.
        boards: the boards that goods stand on.
    """

    def __init__(self, style: Plain, seed: int, deviations: bool) -> None:
        self._style, self._seed, self._deviations = style, seed, deviations
        self._board = -1
        self.planted: list[tuple[str, int, int]] = []
        self.boards: list[int] = []

    def __getattr__(self, name: str):
        return getattr(self._style, name)

    def choose_camera(self, rng: np.random.Generator, width: int, height: int) -> Camera:
        camera = self._style.choose_camera(rng, width, height)
        self._frame = camera.frame()
        if not self._deviations:
            return camera
        roll, g, h = np.random.default_rng(self._seed).uniform(-1, 1, 3) * (0.03, 0.06, 0.03)
        perspective = (camera.perspective[0] + g, camera.perspective[1] + h)
        return camera._replace(roll=camera.roll + roll, perspective=perspective)

    def build_rack(self, rng, frame, *size):
        return self._style.build_rack(rng, self._frame, *size)

    def fill_shelf(self, rng, assortment, shelf, frame) -> Iterator[Placed]:
        self._board += 1
        own = np.random.default_rng([self._seed, self._board])
        around, _ = self._frame
        low, high = (around[0] + share * (around[2] - around[0]) for share in INNER)
        placed = [
            p
            for p in self._style.fill_shelf(own, assortment, shelf, self._frame)
            if low <= p.x - p.pile.width / 2 and p.x + p.pile.width / 2 <= high
        ]
        runs = [list(run) for _, run in groupby(placed, key=_category)]
        if self._deviations:
            self._plant(own, runs, assortment)
        if placed:
            self.boards.append(self._board)
        yield from (p for run in runs for p in run)

    def _plant(self, rng: np.random.Generator, runs: list[list[Placed]], assortment) -> None:
        kinds = [_category(run[0]) for run in runs]
        free = set(range(1, len(runs) - 1))
        for i in rng.permutation(sorted(free)).tolist()[: rng.integers(3)]:
            if i not in free:
                continue
            run, kind = runs[i], kinds[i]
            partner = self._partner(runs, kinds, i, free)
            other = next((c for c in assortment if c not in kinds), None)
            single = all(p.pile.form == "single" for p in run)
            ways = {
                MISSING: True,
                NUMBER: len(run) > 1,
                MISPLACED: partner is not None,
                SURPLUS: single and other is not None,
            }
            possible = [name for name, can_be in ways.items() if can_be]
            way = MISPLACED if partner is not None else possible[rng.integers(len(possible))]
            found = [(way, kind)]
            if way == MISSING:
                runs[i] = []
            elif way == NUMBER:
                run.pop(int(rng.integers(len(run))))
            elif way == MISPLACED:
                way_to = _reach(runs[partner])[0] - _reach(run)[0]
                moved = [p._replace(x=p.x + way_to) for p in run]
                runs[i] = [p._replace(x=p.x - way_to) for p in runs[partner]]
                runs[partner] = moved
                found.append((MISPLACED, kinds[partner]))
                free -= {partner - 1, partner, partner + 1}
            else:
                item = run[0].pile.item._replace(category=other)
                runs[i] = [p._replace(pile=p.pile._replace(item=item)) for p in run]
                found = [(MISSING, kind), (SURPLUS, other)]
            free -= {i - 1, i, i + 1}
            self.planted += [(status, self._board, category) for status, category in found]

    @staticmethod
    def _partner(runs, kinds: list[int], i: int, free: set[int]) -> int | None:
        """A run about as wide as run ``i``, both the only ones of their categories thereabouts."""
        for j in sorted(free - {i - 1, i, i + 1}):
            ratio = np.ptp(_reach(runs[i])) / np.ptp(_reach(runs[j]))
            low, high = min(i, j), max(i, j)
            # Else it is as well what is between them that has moved.
            if sum(map(len, runs[low + 1 : high])) <= max(len(runs[i]), len(runs[j])):
                continue
            around = kinds[low - 1 : high + 2]
            if around.count(kinds[i]) == around.count(kinds[j]) == 1 and 0.5 < ratio < 2:
                return j
        return None


def _reach(run: list[Placed]) -> tuple[float, float]:
    ends = [(p.x - p.pile.width / 2, p.x + p.pile.width / 2) for p in run]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _category(placed: Placed) -> int:
    return placed.pile.item.category


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--style", default="varied", choices=list(STYLES))
    parser.add_argument("--shelves", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first shelf")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--write", type=Path, metavar="DIR")
    parser.add_argument("--weights")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 360))
    parser.add_argument("--verbose", action="store_true", help="print what is wrong")
    args = parser.parse_args()
    style, predictor = STYLES[args.style], None
    names = [goods.name for goods in style.goods]
    if args.weights:
        from locount.inference import Predictor

        predictor = Predictor(args.weights)

    def photo(picture: Picture) -> ShelfPhoto:
        known = frozenset(names)
        size = picture.image.shape[1::-1]
        if predictor is None:
            found = [names[i] for i in picture.categories]
            return ShelfPhoto("", *size, picture.boxes, tuple(found), picture.counts, known, True)
        settings = predictor.cfg.PREDICT
        p = predictor(picture.image).above(settings.SCORE).without_parts(settings.MAX_OVERLAP)
        return ShelfPhoto("", *size, p.boxes.astype(float), tuple(p.names), p.counts, known, True)

    totals = {status: Counter() for status in STATUSES if status != RIGHT}
    shares, planned = [], 0
    for index in range(args.first, args.first + args.shelves):
        photos = []
        for deviations in (False, True):
            STYLES["planted"] = look = Planted(style, index, deviations)
            picture = render(args.seed, index, *args.size, style="planted")
            if args.write:
                args.write.mkdir(parents=True, exist_ok=True)
                name = "now.jpg" if deviations else "planned.jpg"
                cv2.imwrite(str(args.write / name), picture.image)
            photos.append(photo(picture))
            if not deviations:
                row_of = {board: row for row, board in enumerate(look.boards, 1)}
        if args.write:
            for status, board, category in look.planted:
                print(f"planted: {names[category]} in row {row_of[board]} is {status}")
            return
        plan = [place for place, _ in runs_of(photos[0])]
        planned += len(plan)
        check = check_plan(plan, photos[1])
        shares.append(check.share)
        reported = Counter(
            (f.status, (f.planned or f.seen).row, (f.planned or f.seen).category)
            for f in check.findings
            if f.status != RIGHT
        )
        true = Counter((status, row_of[board], names[c]) for status, board, c in look.planted)
        if args.verbose and true != reported:
            print(index, "planted", dict(true - reported), "reported", dict(reported - true))
        for status, total in totals.items():
            total["planted"] += sum(n for key, n in true.items() if key[0] == status)
            total["reported"] += sum(n for key, n in reported.items() if key[0] == status)
            total["both"] += sum(n for key, n in (true & reported).items() if key[0] == status)
    del STYLES["planted"]
    totals["all"] = sum(totals.values(), Counter())
    table = [
        {
            "deviation": status,
            "planted": total["planted"],
            "reported": total["reported"],
            "precision": total["both"] / max(total["reported"], 1),
            "recall": total["both"] / max(total["planted"], 1),
        }
        for status, total in totals.items()
    ]
    print(f"{args.shelves} shelves, {planned} positions, {np.mean(shares):.3f} of them right")
    print(tabulate(table, "keys", tablefmt="github", floatfmt=".3f"))


if __name__ == "__main__":
    main()
