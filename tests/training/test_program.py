"""Training in several processes, on a CPU."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch.distributed as dist
from torch.multiprocessing import start_processes

from locount.training import program

CONFIG = Path(__file__).parents[2] / "configs/Shelf/clcnet_s2_cls10_small.yaml"
# More than two processes take to start and to be ended.
PATIENCE = 120


def _end_a_run(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    program.main = lambda args: None
    program._in_process(Namespace(eval_only=False))
    if not dist.is_initialized():
        (folder / f"ended{rank}").touch()


def test_processes_leave_their_group_when_the_run_is_over(tmp_path):
    start_processes(_end_a_run, (tmp_path,), nprocs=2, start_method="fork")
    assert {path.name for path in tmp_path.glob("ended*")} == {"ended0", "ended1"}


@pytest.fixture
def train(photos, tmp_path):
    """Start a training of 64-pixel photos in two processes; standard output and error are its."""

    def train(max_iter):
        options = {
            "DATASETS.TRAIN": (f"locount:{photos}:train",),
            "DATASETS.TEST": (),
            "OUTPUT_DIR": tmp_path / "output",
            "INPUT.MIN_SIZE_TRAIN": (64,),
            "SOLVER.IMS_PER_BATCH": 2,
            "SOLVER.STEPS": (),
            "SOLVER.MAX_ITER": max_iter,
            "SOLVER.CHECKPOINT_PERIOD": 1,
            "DATALOADER.NUM_WORKERS": 0,
        }
        words = [str(word) for option in options.items() for word in option]
        command = [sys.executable, "-m", "locount", "train", "--num-gpus", "2", "-c", str(CONFIG)]
        started = subprocess.Popen(
            [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(started)
        return started

    processes: list[subprocess.Popen] = []
    yield train
    for process in processes:
        if process.poll() is None:
            process.kill()


@pytest.mark.slow
def test_a_training_in_two_processes_ends_cleanly(train, tmp_path):
    training = train(max_iter=2)
    _, errors = training.communicate(timeout=PATIENCE)
    assert training.returncode == 0, errors
    assert (tmp_path / "output/model_final.pth").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_training_with_a_message(train, tmp_path, rank):
    training = train(max_iter=100_000)
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "output/model_0000000.pth").exists():
        assert time.monotonic() < deadline
        assert training.poll() is None
        time.sleep(0.1)
    processes = _spawned(training.pid)
    assert len(processes) == 2
    os.kill(processes[rank], signal.SIGKILL)
    _, errors = training.communicate(timeout=PATIENCE)
    assert training.returncode == 1, errors
    assert f"locount train: process {rank} of this machine was killed (SIGKILL)" in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def _spawned(parent: int) -> list[int]:
    """Children that run Python code, in the order of their start."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
