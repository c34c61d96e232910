"""Moving average of a model's weights during training."""

from __future__ import annotations

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import HookBase
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

# Under which a checkpoint holds the weights that training goes on with; "model" is the average.
CHECKPOINT_KEY = "trained_model"


class WeightAverage(HookBase):
    """Averages the weights after each step, exponentially.

    From now on "model" in checkpoints is the average, so that whatever loads one to predict gets
    it; the weights being trained are kept beside it and are restored when training is resumed.
    Statistics of normalization are not averaged, but copied from the model that is trained.
    """

    def __init__(self, checkpointer: DetectionCheckpointer, decay: float):
        """
        Args:
            checkpointer: of the model that is trained; is changed.
            decay: share of the average that a step keeps, in [0, 1). Step t, from 0, keeps at most
                (1 + t) / (10 + t), or a short training would hardly leave its first weights.
        """
        self._trained: nn.Module = checkpointer.model
        self._average = AveragedModel(self._trained).eval()
        self._average.n_averaged.fill_(1)  # the weights to start from count, too
        self._decay = decay
        checkpointer.model = self._average.module
        checkpointer.add_checkpointable(CHECKPOINT_KEY, self._trained)

    @property
    def model(self) -> nn.Module:
        """The model with the averaged weights."""
        return self._average.module

    def before_train(self) -> None:
        """A training that is not resumed starts from what the checkpointer loaded."""
        if self.trainer.start_iter == 0:
            self._trained.load_state_dict(self.model.state_dict())

    def after_step(self) -> None:
        t = self.trainer.iter
        self._average.multi_avg_fn = get_ema_multi_avg_fn(min(self._decay, (1 + t) / (10 + t)))
        self._average.update_parameters(self._trained)
