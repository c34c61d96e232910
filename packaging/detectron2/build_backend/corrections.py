"""What detectron2 0.6 needs to run on current torch, numpy, Pillow and setuptools, uncompiled."""

from correction import Correction

NO_EXTENSION = (
    "the wheel has no compiled extension: importing must work, calling says what is missing"
)
CPU_PROCESSES = "several processes on the CPU are how distributed code is tried without GPUs"
NUMPY_ALIAS = "numpy 1.24 dropped its aliases of Python's types"

CORRECTIONS = (
    Correction(
        file="detectron2/layers/deform_conv.py",
        old="from detectron2 import _C\n\nfrom .wrappers",
        new="from .extension import _C\nfrom .wrappers",
        why=NO_EXTENSION,
    ),
    Correction(
        file="detectron2/layers/roi_align_rotated.py",
        old="from detectron2 import _C\n",
        new="from .extension import _C\n",
        why=NO_EXTENSION,
    ),
    Correction(
        file="detectron2/layers/rotated_boxes.py",
        old="from detectron2 import _C\n",
        new="from .extension import _C\n",
        why=NO_EXTENSION,
    ),
    Correction(
        file="detectron2/evaluation/fast_eval_api.py",
        old="from detectron2 import _C\n",
        new="try:\n    from detectron2 import _C\nexcept ImportError:\n    _C = None\n",
        why=NO_EXTENSION,
    ),
    Correction(
        file="detectron2/evaluation/fast_eval_api.py",
        old=(
            '        logger.info("COCOeval_opt.accumulate() finished in {:0.2f} seconds."'
            ".format(toc - tic))\n"
        ),
        new=(
            '        logger.info("COCOeval_opt.accumulate() finished in {:0.2f} seconds."'
            ".format(toc - tic))\n"
            "\n\n"
            "if _C is None:\n"
            "    COCOeval_opt = COCOeval\n"
        ),
        why="COCOeval_opt is pycocotools' class made faster by compiled code, with equal results",
    ),
    Correction(
        file="detectron2/utils/collect_env.py",
        old='data.append(("detectron2._C", f"not built correctly: {e}"))',
        new='data.append(("detectron2._C", f"not part of this pure-Python build: {e}"))',
        why="the report must not call a wheel without the extension broken",
    ),
    Correction(
        file="detectron2/config/lazy.py",
        old="        import black\n",
        new=(
            "        try:\n"
            "            import black\n"
            "        except ImportError:\n"
            "            black = None\n"
        ),
        why="a code formatter is much to install for `LazyConfig.to_py`",
    ),
    Correction(
        file="detectron2/config/lazy.py",
        old="        py_str = _to_str(cfg, prefix=[prefix])\n",
        new=(
            "        py_str = _to_str(cfg, prefix=[prefix])\n"
            "        if black is None:\n"
            "            return py_str\n"
        ),
        why="a code formatter is much to install for `LazyConfig.to_py`",
    ),
    Correction(
        file="detectron2/engine/launch.py",
        old=(
            "    assert torch.cuda.is_available(), "
            '"cuda is not available. Please check your installation."\n'
        ),
        new="",
        why=CPU_PROCESSES,
    ),
    Correction(
        file="detectron2/engine/launch.py",
        old='            backend="NCCL",\n',
        new='            backend="NCCL" if torch.cuda.is_available() else "GLOO",\n',
        why=CPU_PROCESSES,
    ),
    Correction(
        file="detectron2/engine/launch.py",
        old=(
            "    assert num_gpus_per_machine <= torch.cuda.device_count()\n"
            "    torch.cuda.set_device(local_rank)\n"
        ),
        new=(
            "    if torch.cuda.is_available():\n"
            "        assert num_gpus_per_machine <= torch.cuda.device_count()\n"
            "        torch.cuda.set_device(local_rank)\n"
        ),
        why=CPU_PROCESSES,
    ),
    Correction(
        file="detectron2/engine/defaults.py",
        old='    if "device_ids" not in kwargs:\n',
        new='    if "device_ids" not in kwargs and torch.cuda.is_available():\n',
        why=CPU_PROCESSES,
    ),
    Correction(
        file="detectron2/engine/hooks.py",
        old=(
            "    def state_dict(self):\n"
            "        if isinstance(self.scheduler, torch.optim.lr_scheduler._LRScheduler):\n"
        ),
        new=(
            "    def state_dict(self):\n"
            "        if isinstance(self.scheduler, torch.optim.lr_scheduler.LRScheduler):\n"
        ),
        why="torch 2's own schedulers aren't a _LRScheduler: their state was not saved",
    ),
    Correction(
        file="detectron2/engine/hooks.py",
        old=(
            "    def load_state_dict(self, state_dict):\n"
            "        if isinstance(self.scheduler, torch.optim.lr_scheduler._LRScheduler):\n"
        ),
        new=(
            "    def load_state_dict(self, state_dict):\n"
            "        if isinstance(self.scheduler, torch.optim.lr_scheduler.LRScheduler):\n"
        ),
        why="torch 2's own schedulers aren't a _LRScheduler: their state was not restored",
    ),
    Correction(
        file="detectron2/export/__init__.py",
        old="from .api import *\n",
        new=(
            "try:\n"
            "    import caffe2  # noqa: F401\n"
            "except ImportError:\n"
            "    pass\n"
            "else:\n"
            "    from .api import *\n"
        ),
        why="torch no longer has caffe2; the TorchScript exports don't need it",
    ),
    Correction(
        file="detectron2/model_zoo/model_zoo.py",
        old="import pkg_resources\n",
        new="",
        why="setuptools 81 dropped pkg_resources",
    ),
    Correction(
        file="detectron2/model_zoo/model_zoo.py",
        old=(
            "    cfg_file = pkg_resources.resource_filename(\n"
            '        "detectron2.model_zoo", os.path.join("configs", config_path)\n'
            "    )\n"
        ),
        new='    cfg_file = os.path.join(os.path.dirname(__file__), "configs", config_path)\n',
        why="setuptools 81 dropped pkg_resources",
    ),
    Correction(
        file="detectron2/data/transforms/transform.py",
        old="interp=Image.LINEAR",
        new="interp=Image.BILINEAR",
        why="Pillow 10 dropped LINEAR, the old name of BILINEAR",
    ),
    Correction(
        file="detectron2/data/common.py",
        old="self._rng.sample(self._fallback_candidates, k=1)",
        new="self._rng.sample(sorted(self._fallback_candidates), k=1)",
        why="Python 3.11 no longer samples from a set",
    ),
    Correction(
        file="detectron2/data/build.py",
        old="histogram = np.zeros((num_classes,), dtype=np.int)",
        new="histogram = np.zeros((num_classes,), dtype=int)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/data/build.py",
        old='if not x.get("iscrowd", 0)], dtype=np.int\n',
        new='if not x.get("iscrowd", 0)], dtype=int\n',
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/data/datasets/pascal_voc.py",
        old="dtype=np.str)",
        new="dtype=str)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/pascal_voc_evaluation.py",
        old='difficult = np.array([x["difficult"] for x in R]).astype(np.bool)',
        new='difficult = np.array([x["difficult"] for x in R]).astype(bool)',
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="pred = np.array(output, dtype=np.int)",
        new="pred = np.array(output, dtype=int)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="gt = np.array(Image.open(f), dtype=np.int)",
        new="gt = np.array(Image.open(f), dtype=int)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="acc = np.full(self._num_classes, np.nan, dtype=np.float)",
        new="acc = np.full(self._num_classes, np.nan, dtype=float)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="iou = np.full(self._num_classes, np.nan, dtype=np.float)",
        new="iou = np.full(self._num_classes, np.nan, dtype=float)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="tp = self._conf_matrix.diagonal()[:-1].astype(np.float)",
        new="tp = self._conf_matrix.diagonal()[:-1].astype(float)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="pos_gt = np.sum(self._conf_matrix[:-1, :-1], axis=0).astype(np.float)",
        new="pos_gt = np.sum(self._conf_matrix[:-1, :-1], axis=0).astype(float)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/evaluation/sem_seg_evaluation.py",
        old="pos_pred = np.sum(self._conf_matrix[:-1, :-1], axis=1).astype(np.float)",
        new="pos_pred = np.sum(self._conf_matrix[:-1, :-1], axis=1).astype(float)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/structures/masks.py",
        old="return np.zeros((height, width)).astype(np.bool)",
        new="return np.zeros((height, width)).astype(bool)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/structures/masks.py",
        old="return mask_util.decode(rle).astype(np.bool)",
        new="return mask_util.decode(rle).astype(bool)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/structures/masks.py",
        old="np.asarray(keep, dtype=np.bool)",
        new="np.asarray(keep, dtype=bool)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/utils/video_visualizer.py",
        old="is_crowd = np.zeros((len(instances),), dtype=np.bool)",
        new="is_crowd = np.zeros((len(instances),), dtype=bool)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/utils/visualizer.py",
        old="return (self._seg != empty_ids[0]).numpy().astype(np.bool)",
        new="return (self._seg != empty_ids[0]).numpy().astype(bool)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/utils/visualizer.py",
        old="yield (self._seg == sid).numpy().astype(np.bool), sinfo",
        new="yield (self._seg == sid).numpy().astype(bool), sinfo",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/utils/visualizer.py",
        old="mask = (self._seg == sid).numpy().astype(np.bool)",
        new="mask = (self._seg == sid).numpy().astype(bool)",
        why=NUMPY_ALIAS,
    ),
    Correction(
        file="detectron2/modeling/anchor_generator.py",
        old="torch.meshgrid(shifts_y, shifts_x)",
        new='torch.meshgrid(shifts_y, shifts_x, indexing="ij")',
        why="torch warns that meshgrid will want its indexing named",
    ),
)
