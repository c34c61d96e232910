"""Arrows between the rooms of the package point down, and modules import in no circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import locount

PACKAGE = Path(locount.__file__).parent
# From the ground up; a room may import what is on lower floors only.
FLOORS = (
    {"errors", "messages"},
    {"compiled", "counting", "files", "texts", "config_files"},
    {"coco", "shelf", "visualization", "config"},
    {"modeling", "data", "evaluation", "model_zoo"},
    {"model_file"},
    {"class_names", "model_choice", "calibration"},
    {"checkpoint"},
    {"training", "export"},
    {"inference"},
    {"stock"},
    {"report"},
    {"serve"},
    {"cli"},
    {"__main__"},
)
# Whoever makes a config can name the architectures, so it registers them.
EXCEPTIONS = {("config", "modeling")}


class Imports(ast.NodeVisitor):
    """Modules of the package that a module imports at any time, but for type checkers."""

    def __init__(self, package: str, modules: set[str]):
        self.package, self.modules, self.found = package.split("."), modules, set()

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        target = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            name = f"{target}.{alias.name}"
            self.found.add(name if name in self.modules else target)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(alias.name for alias in node.names)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    files = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        files[".".join(parts[:-1] if file.stem == "__init__" else parts)] = file
    graph = {}
    for module, file in files.items():
        package = module if file.stem == "__init__" else module.rpartition(".")[0]
        visitor = Imports(package, set(files))
        visitor.visit(ast.parse(file.read_text(encoding="utf-8")))
        graph[module] = visitor.found & set(files)
    return graph


def test_rooms_import_lower_floors_only(imports):
    floor = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
    arrows = {
        (module.split(".")[1], target.split(".")[1])
        for module, targets in imports.items()
        for target in targets
        if "." in module and "." in target
    }
    up = {(a, b) for a, b in arrows if a != b and floor[a] <= floor[b]}
    assert up == EXCEPTIONS


def test_no_module_imports_itself_through_others(imports):
    # A module of a package imports its __init__ only for a name that is there before.
    excepted = {tuple(f"locount.{room}" for room in arrow) for arrow in EXCEPTIONS}
    graph = {
        module: {
            target
            for target in targets
            if not module.startswith(f"{target}.") and (module, target) not in excepted
        }
        for module, targets in imports.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_everything_else_than_models_starts_without_torch():
    names = "locount, locount.evaluation, locount.cli, locount.shelf.write"
    code = f"import sys, {names}; print(*{{'torch', 'detectron2', 'cv2'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() in ([], ["cv2"])  # the painter draws with it


def test_a_room_on_no_floor_is_noticed(imports):
    rooms = {module.split(".")[1] for module in imports if "." in module}
    assert rooms <= set.union(*FLOORS)
