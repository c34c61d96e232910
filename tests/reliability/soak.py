#!/usr/bin/env python
"""The tests of this folder and of the server's clients with larger numbers: `make soak MINUTES=30`.

Prints a table: what was tried, how often, what failed. Ends with status 1 if anything did.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests/serve/test_clients.py"
# Of the minutes: what is damaged, and what is killed.
SHARES = {"FUZZ": 0.5, "KILLS": 0.5}


class Table:
    """A plugin of pytest that gathers what was tried."""

    def __init__(self):
        self.rows = {}

    def pytest_runtest_logreport(self, report):
        file, _, test = report.nodeid.partition("::")
        row = self.rows.setdefault((Path(file).stem, test.partition("[")[0]), [0, 0, 0, 0.0])
        row[3] += report.duration
        if report.when == "call" and not report.skipped:
            row[0] += 1
            row[1] += dict(report.user_properties).get("tried", 1)
        row[2] += report.failed


def run(files, *options):
    table = Table()
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", *options]
    pytest.main([*map(str, files), *arguments], plugins=[table])
    return table.rows


def timed(files, variable, number):
    """In a process of its own, as the numbers are read when the tests are imported."""
    os.environ[f"LOCOUNT_{variable}"] = str(number)
    start = time.monotonic()
    command = [sys.executable, __file__, "--measure", *map(str, files)]
    os.spawnv(os.P_WAIT, sys.executable, command)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--damages", type=int, help="of each parser, in place of a share")
    parser.add_argument("--kills", type=int, help="of the slowest command, in place of a share")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    here = Path(__file__).parent
    fuzzers = sorted(here.glob("test_*.py"))
    killers = [here / "test_kills.py"]
    fuzzers = [path for path in fuzzers if path not in killers]
    if args.measure:
        run(args.measure, "--no-header")
        return 0
    damages = args.damages
    if damages is None:
        base = timed(fuzzers, "FUZZ", 1)
        each = max(timed(fuzzers, "FUZZ", 50) - base, 1) / 50
        damages = max(50, int((60 * args.minutes * SHARES["FUZZ"] - base) / each))
    # 21 kills a unit, on one core, in seconds.
    kills = args.kills or max(1, int(60 * args.minutes * SHARES["KILLS"] / 100))
    numbers = {"FUZZ": damages, "BITS": 150, "KILLS": kills}
    os.environ.update({f"LOCOUNT_{name}": str(number) for name, number in numbers.items()})
    start = time.monotonic()
    rows = run([*killers, CLIENTS, *fuzzers])
    minutes = (time.monotonic() - start) / 60
    print(f"\n{minutes:.1f} minutes, {damages} damages a parser\n")
    print("| test | cases | tried | failed | s |\n|---|--:|--:|--:|--:|")
    for (file, test), (cases, tried, failed, seconds) in rows.items():
        words = f"{file}: {test}".replace("test_", "").replace("_", " ")
        print(f"| {words} | {cases} | {tried:,} | {failed} | {seconds:.0f} |")
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    memory = max(usage.ru_maxrss for usage in usages)
    print(f"\nmost memory of one process: {memory / 1e6:.2f} GB")
    return any(row[2] for row in rows.values())


if __name__ == "__main__":
    sys.exit(main())
