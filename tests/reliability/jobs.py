"""Commands in processes of their own, which can be killed at any touch of the disk.

Run as a program it imports everything once and then forks a process for each job, so that a kill
costs a fraction of a second. A job is killed right before the n-th time that it opens, makes,
renames or removes something in its folder, or after some seconds.
"""

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

TOUCHES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
KILLED = -signal.SIGKILL


class Jobs:
    """The program, running.

    A job is a command line without its first word, as {"argv": [...], "folder": ...} with more
    options of :func:`_start`.
    """

    def __init__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __call__(self, *jobs):
        """Run jobs at the same time.

        Returns:
            For each its "status" (KILLED or the exit status), how many "touches" of the disk there
            were, its "seconds", and its "output".
        """
        print(json.dumps(jobs, default=str), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def _serve():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import cv2

    import locount.calibration.fit
    import locount.cli.calibrate
    import locount.cli.compare
    import locount.cli.convert
    import locount.cli.make_shelf
    import locount.cli.predict
    import locount.cli.restock
    import locount.cli.slim
    import locount.data.formats
    import locount.data.restocking
    import locount.inference.run
    import locount.training.comparison
    import locount.training.program  # noqa: F401

    cv2.setNumThreads(0)
    for line in sys.stdin:
        running = [_start(**job) for job in json.loads(line)]
        print(json.dumps([_end(*job) for job in running]), file=answers, flush=True)


def _start(argv, folder, kill_at=None, after=None):
    counter, output = mmap.mmap(-1, 4), tempfile.TemporaryFile("w+")  # noqa: SIM115
    child = os.fork()
    if child == 0:
        status = 70
        try:
            for number in (1, 2):
                os.dup2(output.fileno(), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            _watch(os.fspath(folder), counter, kill_at)
            status = _run(argv)
        except SystemExit as error:
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
            status = error.code if isinstance(error.code, int) else 2
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status or 0)
    return child, counter, output, after, time.monotonic()


def _watch(folder, counter, kill_at):
    number = 0

    def watch(event, arguments):
        nonlocal number
        if event not in TOUCHES or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if os.path.abspath(os.fsdecode(arguments[0])).startswith(folder):
            number += 1
            counter[:] = struct.pack("I", number)
            if number == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _run(argv):
    from concurrent import futures

    from locount.cli import main

    if argv[0] == "compare":  # all in one process

        class Pool(futures.ThreadPoolExecutor):
            def __init__(self, jobs, **options):
                super().__init__(jobs)

        futures.ProcessPoolExecutor = Pool
    return main(argv)


def _end(child, counter, output, after, start):
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    output.seek(0)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "touches": struct.unpack("I", counter[:])[0],
        "seconds": time.monotonic() - start,
        "output": output.read()[-20_000:],
    }


if __name__ == "__main__":
    _serve()
