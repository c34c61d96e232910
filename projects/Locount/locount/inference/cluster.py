"""Prediction on the machines of a Ray cluster: a row of Parquet for each photo.

Ray Data hands out the photos and starts again what dies. A worker writes a part as soon as its
photos are done, so that what a run has done is in the parts, and another run goes on from there.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..data.images import PICTURE_SUFFIXES
from ..errors import InputError, require
from .inputs import Failure, StoredImage, expand_inputs, is_video, unreadable
from .journal import Entry, file_stamp, recorded_name
from .parts import keep_current, locked_parts, settle, write_part
from .predictor import Predictor
from .run import run_settings

# In a part, at most: what a worker that dies has to do again.
PHOTOS_PER_PART = 256
# How often photos are tried with which a worker dies, beside the first time.
RETRIES = 3
# Of the extra `ray`, which every machine needs.
MODULES = ("fsspec", "pyarrow", "ray.data")
# Of a file: no picture that can be opened is larger.
MAX_BYTES = 1 << 30


@dataclass
class Summary:
    """What a run did.

    Attributes:
        new, kept: photos with a row from this run, and from earlier ones.
        used: those of them that could be.
        lost: photos without a row, because workers died with them.
        failures: inputs that could not be used, those with a row of their own among them.
    """

    new: int = 0
    kept: int = 0
    used: int = 0
    lost: int = 0
    boxes: int = 0
    instances: int = 0
    failures: list[Failure] = field(default_factory=list)


def predict_on_cluster(
    predictor: Predictor,
    inputs: Iterable[str],
    output: str,
    *,
    address: str,
    score: float,
    options: Mapping[str, Any],
    on_progress: Callable[[int], None] = lambda num_photos: None,
) -> Summary:
    """Predict photos, each once, on a worker for each GPU of a cluster, or else for each CPU.

    Args:
        predictor: of the model, whose weights are sent to the workers.
        inputs: as for :func:`expand_inputs`, and files, folders and patterns in any form that
            fsspec knows, such as ``s3://shop/monday``.
        output: folder of the parts, in the same forms.
        address: "local" for a cluster of this machine's own; "auto" for the one that it is part of;
            or the HOST:PORT of one.
        score: least score of a detection.
        options: of the workers' predictors, by their names.
        on_progress: gets the number of photos of each part that is done.

    Raises:
        InputError: if inputs lead to no photo, there is no such cluster, or the folder holds
            results of another model or with other options.
    """
    require("ray", *MODULES)
    import fsspec

    summary = Summary()
    photos = _find(inputs, summary)
    files, folder = fsspec.core.url_to_fs(output)
    files.makedirs(folder, exist_ok=True)
    with locked_parts(files, folder):
        settle(files, folder, run_settings(predictor, score), output)
        stamps = {name: photo["stamp"] for name, photo in photos.items()}
        done = keep_current(files, folder, stamps)
        todo = [photo for name, photo in photos.items() if name not in done]
        kept = [(name, done[name]) for name in photos if name in done]
        summary.failures += (Failure(name, problem) for name, problem in kept if problem)
        summary.kept = len(kept)
        summary.used = sum(problem is None for _, problem in kept)
        if todo:
            _connect(address)
            # Workers of other machines may have been started in other folders.
            arguments = (options, score, files.unstrip_protocol(folder))
            for part in _predict(predictor, todo, *arguments):
                summary.new += part["photos"]
                summary.used += part["photos"] - len(part["failed"])
                summary.boxes += part["boxes"]
                summary.instances += part["instances"]
                summary.failures += map(Failure, part["failed"], part["problems"])
                on_progress(part["photos"])
            summary.lost = len(todo) - summary.new
    return summary


def _connect(address: str) -> None:
    import ray

    if not ray.is_initialized():
        try:
            ray.init(address, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"There is no Ray cluster at {address} ({error})") from error


def _predict(
    predictor: Predictor,
    photos: list[dict[str, str]],
    options: Mapping[str, Any],
    score: float,
    output: str,
) -> Iterator[dict[str, Any]]:
    """What :class:`_Worker` says of each part."""
    import ray

    resources = ray.cluster_resources()
    unit = "GPU" if resources.get("GPU") else "CPU"
    workers = max(int(resources.get(unit, 1)), 1)
    weights = ray.put(Path(predictor.cfg.MODEL.WEIGHTS).read_bytes())
    device = {"GPU": "cuda", "CPU": "cpu"}[unit]
    tries = _start_counting()
    worker = (predictor.cfg, weights, {"device": device, **options}, score, output, tries)

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # the other photos go on
    # Several for each worker, so that all end at about the same time.
    num_parts = math.ceil(
        len(photos) / min(PHOTOS_PER_PART, math.ceil(len(photos) / (4 * workers)))
    )
    results = ray.data.from_items(photos, override_num_blocks=num_parts).map_batches(
        _Worker,
        batch_size=None,  # a block is a part
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(workers, num_parts)),
        fn_constructor_args=worker,
        num_cpus=int(unit == "CPU"),
        num_gpus=int(unit == "GPU"),
    )
    yield from results.iter_rows()


def _start_counting() -> Any:
    """An actor that says how often each part has been begun.

    Ray would repeat what a worker died with without end.
    """
    import ray

    class Tries:  # here, so that its process need not import this package
        def __init__(self) -> None:
            self._number: Counter[str] = Counter()

        def begin(self, part: str) -> int:
            self._number[part] += 1
            return self._number[part]

    return ray.remote(num_cpus=0)(Tries).remote()


class _Worker:
    """Predicts the photos of a part and writes it."""

    def __init__(
        self,
        cfg: Any,
        weights: Any,
        options: dict[str, Any],
        score: float,
        output: str,
        tries: Any,
    ) -> None:
        import fsspec
        import ray

        with tempfile.NamedTemporaryFile(suffix=Path(cfg.MODEL.WEIGHTS).suffix) as file:
            file.write(ray.get(weights))
            file.flush()
            self._predictor = Predictor(cfg, file.name, **options)
        self._score, self._tries = score, tries
        self._files, self._folder = fsspec.core.url_to_fs(output)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list]:
        import ray

        names, addresses, stamps = (batch[key].tolist() for key in ("name", "address", "stamp"))
        # Named after its content: if the part is made again it takes its own place.
        digest = hashlib.sha256("\0".join(names + stamps).encode()).hexdigest()[:16]
        if ray.get(self._tries.begin.remote(digest)) > 1 + RETRIES:
            return {key: [] for key in ("photos", "boxes", "instances", "failed", "problems")}
        unread: set[str] = set()
        images = [
            StoredImage(name, partial(_read, name, address, unread))
            for name, address in zip(names, addresses, strict=True)
        ]
        failures: list[Failure] = []
        rows = {}
        max_overlap = self._predictor.cfg.PREDICT.MAX_OVERLAP
        for found in self._predictor.stream(images, on_failure=failures.append):
            entry = Entry.of(found.counting(self._score, max_overlap), 0, (0, 0), None)
            rows[found.name] = msgspec.to_builtins(entry)
            rows[found.name].setdefault("orientation", 1)
        problems = {failure.name: failure.problem for failure in failures}
        for name, stamp in zip(names, stamps, strict=True):
            row = rows.setdefault(name, {"file_name": name})
            row["error"] = problems.get(name)
            row["stamp"] = None if name in unread else stamp  # another run tries again
        write_part(self._files, f"{self._folder}/part-{digest}.parquet", [rows[n] for n in names])
        detections = [found for row in rows.values() for found in row.get("detections", ())]
        return {
            "photos": [len(names)],
            "boxes": [len(detections)],
            "instances": [sum(found["count"] for found in detections)],
            "failed": [list(problems)],
            "problems": [list(problems.values())],
        }


def _read(name: str, address: str, unread: set[str]) -> bytes:
    """The content of a file; its name is added to ``unread`` if the disk or network fails."""
    import fsspec

    try:
        with fsspec.open(address, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except Exception as error:  # each kind of file system has its own
        unread.add(name)
        raise InputError(f"{name} can't be fetched ({type(error).__name__}: {error})") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES:,} bytes: it is not a photo")
    return content


def _find(inputs: Iterable[str], summary: Summary) -> dict[str, dict[str, str]]:
    """Name, address and stamp of each photo, by its name; others are among the failures."""
    inputs = list(inputs)
    remote = [name for name in inputs if "://" in name]
    local = expand_inputs(name for name in inputs if "://" not in name)
    summary.failures += unreadable(local.passed_over)
    photos: dict[str, dict[str, str]] = {}
    for path, address, stamp in (*_local(local.paths, summary), *_remote(remote)):
        name = recorded_name(path)
        photo = {"name": name, "address": address, "stamp": stamp}
        if photos.setdefault(name, photo)["address"] != address:
            summary.failures.append(Failure(path, "another one is called the same in Unicode"))
    return photos


def _local(paths: Iterable[str], summary: Summary) -> Iterator[tuple[str, str, str]]:
    for path in paths:
        if is_video(path):
            problem = "is a video: predict it without --cluster"
            summary.failures.append(Failure(path, problem))
            continue
        try:
            yield path, os.path.abspath(path), "{} {}".format(*file_stamp(path))
        except OSError as error:
            summary.failures.append(Failure(path, error.strerror or str(error)))


def _remote(addresses: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    import fsspec

    for address in addresses:
        try:
            files, path = fsspec.core.url_to_fs(address)
            find = files.glob if "*" in path else files.find
            found = dict(find(path, detail=True))
        except Exception as error:  # as in _read
            raise InputError(f"{address} can't be listed ({error})") from error
        photos = [p for p in sorted(found) if p == path or p.lower().endswith(PICTURE_SUFFIXES)]
        if not photos:
            raise InputError(f"{address} contains no photo ({', '.join(PICTURE_SUFFIXES)})")
        for photo in photos:
            info = found[photo]
            marks = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
            mark = next((info[key] for key in marks if key in info), "")
            url = files.unstrip_protocol(photo)
            yield url, url, f"{info.get('size')} {mark}"
