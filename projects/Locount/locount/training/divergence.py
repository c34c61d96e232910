"""Saying what broke when a training step meets NaN or infinity."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from detectron2.utils import comm
from torch import Tensor, nn


class DivergenceError(FloatingPointError):
    """Training met a number that is NaN or infinite; the message says where and what to try."""


@dataclass
class _Step:
    images: list[str]
    losses: dict[str, Tensor] = field(default_factory=dict)

    def broken_losses(self) -> list[str]:
        return [f"{name} is {loss}" for name, loss in self.losses.items() if not loss.isfinite()]


class StepWatch:
    """Knows the images and losses of the last training steps of a model.

    It looks at numbers only after Detectron2 has found that something is wrong, so that a step
    waits for the GPU no longer than without it.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._steps: deque[_Step] = deque(maxlen=2)
        model.register_forward_pre_hook(self._begin)
        model.register_forward_hook(self._end)

    def _begin(self, model: nn.Module, inputs: tuple[list[dict]]) -> None:
        if model.training:
            self._steps.append(_Step([str(image.get("file_name")) for image in inputs[0]]))

    def _end(self, model: nn.Module, inputs: tuple[list[dict]], losses: dict[str, Tensor]) -> None:
        if model.training:
            self._steps[-1].losses = {name: loss.detach() for name, loss in losses.items()}

    @contextmanager
    def step(self, iteration: int) -> Iterator[None]:
        """Run one training step in this context.

        Raises:
            DivergenceError: where Detectron2 finds a loss or a predicted box that is NaN or
                infinite; it names the iteration, the losses and the images.
        """
        try:
            yield
        except FloatingPointError as error:
            raise DivergenceError(self._explain(iteration, str(error))) from error
        except AssertionError as error:
            # Boxes.clip, which sees what a stage of the cascade hands to the next.
            if "infinite or NaN" not in str(error):
                raise
            raise DivergenceError(self._explain(iteration, str(error))) from error
        # Detectron2 looks at the losses in the main process only, and at their mean over processes.
        if not comm.is_main_process() and (broken := self._steps[-1].broken_losses()):
            raise DivergenceError(_message(iteration, ", ".join(broken), self._steps[-1]))

    def _explain(self, iteration: int, error: str) -> str:
        """What made Detectron2 raise ``error`` before it changed the weights."""
        weights = [name for name, p in self._model.named_parameters() if not p.isfinite().all()]
        if not weights:
            step = self._steps[-1]
            return _message(iteration, ", ".join(step.broken_losses()) or error, step)
        broken = f"{len(weights)} weights, {weights[0]} the first,"
        if len(self._steps) == 1:
            return f"{broken} are NaN or infinite before the first step. Start from other weights."
        what = f"its gradients made {broken} NaN or infinite"
        return _message(iteration - 1, what, self._steps[0])


def _message(iteration: int, what: str, step: _Step) -> str:
    return (
        f"Training broke at iteration {iteration}: {what}. Its images are "
        f"{', '.join(step.images)}. Look at their annotations, lower SOLVER.BASE_LR, lengthen "
        "SOLVER.WARMUP_ITERS, or set SOLVER.CLIP_GRADIENTS.ENABLED True."
    )
