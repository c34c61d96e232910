#!/usr/bin/env python
"""`locount train` as a script, as Detectron2's projects have one; `--help` has the arguments.

Usage::

    python train_net.py --config-file CONFIG [KEY VALUE ...]
    python train_net.py --config-file CONFIG --from products [KEY VALUE ...]
    python train_net.py --config-file CONFIG --resume
    python train_net.py --config-file CONFIG --eval-only MODEL.WEIGHTS output/model_final.pth
"""

import sys

from locount.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
