"""Train one step of a model of one number in two processes: `two_processes.py FOLDER`.

A script of its own, since new processes can't import a test module.
"""

import json
import sys
from pathlib import Path

import torch
from detectron2.engine import SimpleTrainer, hooks, launch
from detectron2.engine.defaults import create_ddp_model
from detectron2.utils import comm
from detectron2.utils.events import JSONWriter, TensorboardXWriter


class Model(torch.nn.Linear):
    def forward(self, data):
        return {"loss": super().forward(data).sum()}


def train_and_gather(folder: str):
    """The gradient of each process is its rank."""
    model = create_ddp_model(Model(1, 1, bias=False))
    start = float(model.module.weight)
    data = torch.full((1, 1), float(comm.get_rank()))
    trainer = SimpleTrainer(model, [data] * 2, torch.optim.SGD(model.parameters(), lr=1.0))
    if comm.is_main_process():
        writers = [TensorboardXWriter(folder), JSONWriter(str(Path(folder, "metrics.json")))]
        trainer.register_hooks([hooks.PeriodicWriter(writers, period=1)])
    trainer.train(0, 1)
    steps = comm.all_gather(start - float(model.module.weight))
    if comm.is_main_process():
        Path(folder, "steps.json").write_text(json.dumps(steps))
    # Or a process that ends before the other may abort it.
    comm.synchronize()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    launch(train_and_gather, 2, dist_url="auto", args=(sys.argv[1],))
