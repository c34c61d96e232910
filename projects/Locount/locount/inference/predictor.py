"""The predictor of programs and of `locount predict`."""

from __future__ import annotations

import contextlib
import functools
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from detectron2.modeling import build_model
from detectron2.structures import Instances

from ..calibration import Calibration
from ..checkpoint import load_weights
from ..class_names import find_classes
from ..config import building, device_of
from ..data.images import UPRIGHT, NotAdmittedError, open_picture
from ..errors import InputError
from ..export.engines import ENGINES, make_engine
from ..model_choice import open_model
from ..model_file import CARD_KEY, stored
from ..training import mixed_precision
from .ahead import Place, Room, chunks, run_ahead
from .inputs import Failure, NamedImage, StoredImage
from .prediction import Prediction
from .tiles import Tiles, Tiling, merge

# Images side by side on a CPU, at most: each needs memory of its own.
MAX_PARALLEL = 4
# Pixels of photos that a stream has read ahead of its consumer, at most.
MAX_PIXELS_AHEAD = 150_000_000
# Pixels of a photo from which on its colors are resized one at a time.
LARGE_PHOTO = 16_000_000

Image = str | os.PathLike | np.ndarray | NamedImage | StoredImage


class Predictor:
    """A trained model that takes photos and returns a :class:`Prediction` for each.

    >>> predictor = Predictor()  # the weights that come with locount
    >>> prediction = predictor("photo.jpg")
    >>> prediction.plot().save("found.jpg")
    >>> for prediction in predictor.stream(["photo.jpg", "photo.jpg"]):
    ...     print(prediction.name)
    photo.jpg
    photo.jpg

    Without tiles the detections are those of Detectron2's ``DefaultPredictor``, which it can
    replace: ``prediction["instances"]`` holds all of them, and the rest of a prediction those that
    count (PREDICT.SCORE and PREDICT.MAX_OVERLAP). It gets to them faster:

    * photos are read and resized in threads while the model is at work,
    * on a GPU images that are resized to one size go through the model together. Others do not:
      padding them to a common size would change what the model sees at their edges;
    * on a CPU several images go through the model side by side, with a share of the threads each:
      threads have more to gain from an image of their own than from a part of one;
    * the tiles of a photo go through the model as images do.

    Several threads may use one predictor, each with its own calls: a call changes nothing in it,
    and the weights are only read. An iterator that :meth:`stream` returned belongs to one thread.
    """

    def __init__(
        self,
        cfg: CfgNode | str | os.PathLike | None = None,
        weights: str | os.PathLike | None = None,
        *,
        device: str | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        amp: bool = False,
        as_stored: bool = False,
        engine: str = "torch",
        tiles: Tiles | None = None,
    ):
        """
        Args:
            cfg: a config; or the path of a YAML file, of a model file, or of the folder of a
                training (its config and newest checkpoint); or a name of
                :mod:`locount.model_zoo`. By default the config in the model file.
            weights: a model file, or "products", the weights that come with the project. By default
                MODEL.WEIGHTS, without a config those of the project.
            device: such as "cuda:1"; by default MODEL.DEVICE, or the CPU where there is no GPU.
            batch_size: images that go through the model together at most; by default 8 on a GPU
                and 1 on a CPU. A GPU that has too little memory gets a batch in halves.
            workers: threads that read and resize photos; by default one for each CPU, at most 8.
            amp: compute in mixed precision, which changes the detections a little.
            engine: what the model runs with: "torch", or on a CPU "onnx" or "openvino", which give
                the same detections sooner and start later.
            as_stored: take the pixels of photo files as they are stored; by default they are turned
                as their EXIF orientation says, so that boxes fit what viewers show.
            tiles: look at photos in overlapping tiles too: "none", "auto", a number or a size, as
                for :meth:`Tiling.of`; by default PREDICT.TILES. A photo no larger than one is
                looked at as a whole only. In tiles other things are found than the calibration is
                about: such predictions have none.

        Raises:
            InputError: if the weights do not fit the config, or an option makes no sense, such as
                a device that does not exist.
        """
        self.cfg: CfgNode = open_model(cfg, weights)
        if device is not None:
            self.cfg.MODEL.DEVICE = device
        self.cfg.freeze()
        self.device = device_of(self.cfg)
        if self.device.type == "cuda" and (self.device.index or 0) >= torch.cuda.device_count():
            raise InputError(
                f"There is no GPU {self.cfg.MODEL.DEVICE!r}: "
                f"torch sees {torch.cuda.device_count()}."
            )
        with building():
            self.model = build_model(self.cfg.clone()).eval()  # models may change their config
        load_weights(self.model, self.cfg.MODEL.WEIGHTS)
        if amp:
            mixed_precision.prepare(self.model)
        _check_engine(engine, self.device, amp)
        self.classes = find_classes(self.cfg, self.cfg.MODEL.WEIGHTS)
        self._batch_size = batch_size or (1 if self.device.type == "cpu" else 8)
        self._workers = workers or min(os.cpu_count() or 1, 8)
        self._amp, self.as_stored = amp, as_stored
        self.tiling = Tiling.of(tiles, self.cfg)
        in_tiles = self.tiling is not None and not self.tiling.item
        self.calibration = None if in_tiles else Calibration.of_config(self.cfg)
        # Read here, because while a stream runs torch gives new threads another number.
        self._threads = torch.get_num_threads()
        self._parallel = min(self._threads, MAX_PARALLEL) if self.device.type == "cpu" else 1
        self._detect = make_engine(engine, self.model, self.cfg, self._threads, self._parallel)

    def __call__(self, image: Image) -> Prediction:
        """The detections of one image.

        >>> import cv2
        >>> len(Predictor()("photo.jpg")) == len(Predictor()(cv2.imread("photo.jpg")))
        True

        Args:
            image: a path, or H x W x 3, uint8, in BGR order as OpenCV reads it.

        Raises:
            InputError: if it can't be read or is not such an array.
        """
        # An array is the caller's own, so to keep it takes no memory; a file can be read again.
        keep_pixels = not isinstance(image, str | os.PathLike)
        item, instances = self._alone((0, image), keep_pixels)
        if isinstance(item, _Loaded) and self.tiling:
            with self._read_threads() as readers, self._model_threads() as runners:
                item, instances = self._in_tiles(item, instances, readers, runners)
        if isinstance(item, Failure):
            raise InputError(str(item)) from item.cause
        return self._prediction(item, instances, keep_pixels)

    def prepare(self, pixels: np.ndarray) -> torch.Tensor:
        """An image (H x W x 3, uint8, BGR) resized as the model takes it: 3 x H' x W', uint8."""
        options = self.cfg.INPUT
        inputs = INPUT_VIEWS[options.FORMAT](pixels)
        resize = T.ResizeShortestEdge([options.MIN_SIZE_TEST] * 2, options.MAX_SIZE_TEST)
        transform = resize.get_transform(inputs)
        if isinstance(transform, T.ResizeTransform) and not (transform.new_h and transform.new_w):
            raise InputError(
                f"has {pixels.shape[1]}x{pixels.shape[0]} pixels, and none is left in one "
                "direction when it is resized for the model: cut out the part with the goods"
            )
        resized = _resize(transform, inputs)
        # Bytes, not float32 as in DefaultPredictor: the model subtracts its means in float32 either
        # way, and a fourth of the memory is moved.
        return torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))

    def stream(
        self,
        images: Iterable[Image],
        *,
        on_failure: Callable[[Failure], None] | None = None,
        keep_pixels: bool = False,
    ) -> Iterator[Prediction]:
        """The detections of each image, in order.

        It runs ahead of its consumer by some batches and MAX_PIXELS_AHEAD at most, so ``images``
        may be endless, and large.

        Args:
            images: as for :meth:`__call__`. An array without a name is called by its position.
            on_failure: gets each image that can't be used, in its turn; without it the first one
                ends the iteration with :class:`InputError`.
            keep_pixels: give the predictions their images.
        """
        if isinstance(images, str | os.PathLike):
            raise InputError("stream takes several images: give a list, or call the predictor")
        # Twice the batch, so that a batch can be filled from among images of two sizes.
        chunk_size = 1 if self._batch_size == 1 else 2 * self._batch_size
        with self._read_threads() as readers, self._model_threads() as runners:
            room = Room(MAX_PIXELS_AHEAD)
            load = functools.partial(self._load, room=room, keep_pixels=keep_pixels)
            loaded = run_ahead(readers, load, enumerate(images), chunk_size + self._workers)
            batches = chunks(loaded, chunk_size)
            results = run_ahead(runners, self._predict, batches, self._parallel)
            for item, instances in (pair for chunk in results for pair in chunk):
                if isinstance(item, _Later):  # by now those before it need no room
                    item, instances = self._alone(item.numbered, keep_pixels)
                if isinstance(item, _Loaded) and self.tiling:
                    item, instances = self._in_tiles(item, instances, readers, runners)
                if isinstance(item, _Loaded):
                    yield self._prediction(item, instances, keep_pixels)
                    item.place.leave()
                elif on_failure is None:
                    raise InputError(str(item)) from item.cause
                else:
                    on_failure(replace(item, cause=None))  # which would hold the pixels

    def _alone(
        self, numbered: tuple[int, Image], keep_pixels: bool
    ) -> tuple[_Loaded, Instances] | tuple[Failure, None]:
        return self._predict([self._load(numbered, keep_pixels=keep_pixels)])[0]

    def _in_tiles(
        self, item: _Loaded, whole: Instances, readers: Executor, runners: Executor
    ) -> tuple[_Loaded, Instances] | tuple[Failure, None]:
        """A photo with what it shows as a whole and in tiles."""
        if self.tiling is None or item.pixels is None:
            return item, whole
        shown = self._prediction(item, whole, keep_pixels=False)
        tiling = self.tiling.of_photo(*item.size, shown.boxes, shown.counts)
        regions = tiling.regions(*item.size)
        if not len(regions):
            return item, whole
        tiles = run_ahead(
            readers, functools.partial(self._cut, item, item.pixels), regions, self._batch_size
        )
        batches = chunks(tiles, self._batch_size)
        results = run_ahead(runners, self._run, batches, self._parallel)
        found = [whole]
        for tile, instances in (pair for batch in results for pair in batch):
            if isinstance(tile, Failure):
                item.place.leave()
                return tile, None
            found.append(instances)
        height, width = item.size
        merged = merge(found, np.vstack([(0, 0, width, height), regions]), item.size)
        return replace(item, in_tiles=True), merged

    def _cut(self, item: _Loaded, pixels: np.ndarray, region: np.ndarray) -> _Loaded:
        """A tile of a photo as an image; of its pixels only the model's input is a copy."""
        x1, y1, x2, y2 = region.tolist()
        tensor = self.prepare(pixels[y1:y2, x1:x2])
        return _Loaded(item.name, (y2 - y1, x2 - x1), None, tensor, item.orientation, Place(None))

    def _load(
        self, numbered: tuple[int, Image], room: Room | None = None, keep_pixels: bool = True
    ) -> _Loaded | _Later | Failure:
        position, image = numbered
        name, orientation = f"image {position}", UPRIGHT
        place = Place(room)
        try:
            if isinstance(image, NamedImage):
                name, pixels = image.name, image.pixels
            elif isinstance(image, np.ndarray):
                pixels = image
            else:
                source: str | bytes
                if isinstance(image, StoredImage):
                    name, source = image.name, image.read()
                elif not isinstance(image, str | os.PathLike):
                    raise InputError(
                        f"{name} is of type {type(image).__name__}: give a path, or an array "
                        "H x W x 3, uint8, in BGR order"
                    )
                else:
                    name = source = os.fspath(image)
                pixels, orientation = open_picture(
                    source, name=name, upright=not self.as_stored, admit=place.take
                )
            _check_pixels(name, pixels)
            tensor = self.prepare(pixels)
        except NotAdmittedError:
            return _Later(numbered)
        except Exception as error:  # of one image: the others go on
            place.leave()
            return Failure.of(name, error)
        size = pixels.shape[:2]
        kept = pixels if keep_pixels or self.tiling else None
        if kept is None:
            place.leave()
        if self.as_stored:
            orientation = UPRIGHT
        return _Loaded(name, size, kept, tensor, orientation, place)

    def _predict(self, chunk: list[_Loaded | _Later | Failure]) -> list[tuple[Any, Any]]:
        """Each item with its :class:`Instances`, others than loaded images with None."""
        groups = defaultdict(list)
        for i, item in enumerate(chunk):
            if isinstance(item, _Loaded):
                groups[item.tensor.shape].append(i)
        results = [(item, None) for item in chunk]
        for group in groups.values():
            for batch in chunks(group, self._batch_size):
                pairs = self._run([chunk[i] for i in batch])
                for i, pair in zip(batch, pairs, strict=True):
                    results[i] = pair
        return results

    def _run(self, batch: list[_Loaded]) -> list[tuple[_Loaded, Instances] | tuple[Failure, None]]:
        """The detections of images of one size; of one that makes the model fail, that.

        A batch that fails, as where the GPU's memory is too small, is run in halves.
        """
        inputs = [
            {"image": item.tensor, "height": item.size[0], "width": item.size[1]} for item in batch
        ]
        outputs = failure = None
        try:
            with torch.inference_mode(), mixed_precision.autocast(self.device, self._amp):
                outputs = self._detect(inputs)
        except Exception as error:  # as in _load
            # It holds memory of the failed call, which the halves need.
            failure = Failure.of(batch[0].name, error) if len(batch) == 1 else None
        # What a failed call holds is free only after the handler.
        if outputs is not None:
            instances = [_on_cpu(output["instances"]) for output in outputs]
            return list(zip(batch, instances, strict=True))
        if failure is not None:
            batch[0].place.leave()
            return [(failure, None)]
        half = len(batch) // 2
        return self._run(batch[:half]) + self._run(batch[half:])

    def _prediction(self, item: _Loaded, instances: Instances, keep_pixels: bool) -> Prediction:
        pixels = item.pixels if keep_pixels else None
        every = Prediction(
            *(item.name, instances, self.classes, pixels, item.orientation),
            calibration=None if item.in_tiles else self.calibration,
        )
        return every.counting(self.cfg.PREDICT.SCORE, self.cfg.PREDICT.MAX_OVERLAP)

    @property
    def description(self) -> str:
        """The name of the weights, and the first paragraph of their card if they have one."""
        path = self.cfg.MODEL.WEIGHTS
        paragraphs = (stored(path, CARD_KEY, str) or "").split("\n\n")
        texts = [" ".join(p.split()) for p in paragraphs if p.strip() and p.lstrip()[0] != "#"]
        return ": ".join([os.path.basename(path), *texts[:1]])

    def _read_threads(self) -> Executor:
        return ThreadPoolExecutor(self._workers, "locount-read")

    @contextlib.contextmanager
    def _model_threads(self) -> Iterator[Executor]:
        """A pool that the model runs in; torch's threads are dealt out to its threads."""
        share = self._threads // self._parallel
        initializer = (torch.set_num_threads, (share,)) if self._parallel > 1 else (None, ())
        try:
            with ThreadPoolExecutor(self._parallel, "locount-model", *initializer) as pool:
                yield pool
        finally:
            # The number is each thread's own, but new threads start with the last one set.
            if self._parallel > 1:
                torch.set_num_threads(self._threads)


def _check_engine(name: str, device: torch.device, amp: bool) -> None:
    if name not in ENGINES:
        raise InputError(f"There is no engine {name!r}; the engines are {', '.join(ENGINES)}.")
    if name != "torch" and device.type != "cpu":
        raise InputError(f'The engine {name!r} runs on a CPU: give the device "cpu" with it.')
    if name != "torch" and amp:
        raise InputError(f"The engine {name!r} has no mixed precision: leave it out.")


INPUT_VIEWS = {"BGR": lambda pixels: pixels, "RGB": lambda pixels: pixels[:, :, ::-1]}


def _resize(transform: T.Transform, pixels: np.ndarray) -> np.ndarray:
    """The same as ``apply_image``, which needs more memory than a large photo itself: Pillow's
    colored pixels have four bytes, and it copies all of them."""
    if pixels.size <= 3 * LARGE_PHOTO:
        return transform.apply_image(pixels)
    channels = (np.ascontiguousarray(pixels[:, :, i]) for i in range(3))
    return np.stack([transform.apply_image(channel) for channel in channels], axis=2)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """An image as it is, if that is kept, and as the model takes it: C x H x W, uint8.

    Attributes:
        size: height and width.
        in_tiles: whether its detections are of tiles too.
    """

    name: str
    size: tuple[int, int]
    pixels: np.ndarray | None
    tensor: torch.Tensor
    orientation: int
    place: Place
    in_tiles: bool = False


@dataclass(frozen=True, eq=False)
class _Later:
    """An image for which there was no room: it is read when its turn comes."""

    numbered: tuple[int, Image]


def _on_cpu(instances: Instances) -> Instances:
    # Clones, because tensors made in inference mode can't be changed in place outside of it.
    fields = instances.to("cpu").get_fields()
    return Instances(
        instances.image_size, **{name: value.clone() for name, value in fields.items()}
    )


def _check_pixels(name: str, pixels: np.ndarray) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise InputError(
            f"{name} is an array of shape {pixels.shape} and type {pixels.dtype}: give "
            "H x W x 3, uint8, in BGR order."
        )
