"""Run commands of `locount` sooner than a shell could: torch takes seconds to import.

``python command_server.py SOCKET`` imports it once. Each connection brings the folder, the
arguments and the three streams of one command, runs it in a fork, and gets its exit status.
"""

import os
import runpy
import socket
import sys
import traceback

# What a shell calls in place of `locount` and `python`; it needs nothing but the standard library.
CLIENT = """#!{python} -IS
import os, socket, sys
arguments = [os.getcwd(), os.path.basename(sys.argv[0]), *sys.argv[1:]]
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    socket.send_fds(server, ["\\0".join(arguments).encode()], [0, 1, 2])
    sys.exit(int(server.recv(3) or 70))
"""


def run(folder: str, program: str, arguments: list[str]) -> int:
    """The exit status."""
    from locount.cli import main

    os.chdir(folder)
    try:
        if program == "locount":
            return main(arguments)
        runpy.run_path(arguments[0], run_name="__main__")
        return 0
    except SystemExit as end:  # --help
        return end.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        print("ready", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                message, streams, *_ = socket.recv_fds(client, 65536, 3)
                if (process := os.fork()) == 0:
                    for number, stream in enumerate(streams):
                        os.dup2(stream, number)
                    folder, program, *arguments = message.decode().split("\0")
                    os._exit(run(folder, program, arguments))
                for stream in streams:
                    os.close(stream)
                status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                client.send(str(status).encode())


if __name__ == "__main__":
    import locount.inference
    import locount.training  # noqa: F401, what most commands import

    serve(sys.argv[1])
