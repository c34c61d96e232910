import contextlib
import socket
import threading
import time

import pytest


@contextlib.contextmanager
def run_server(server):
    """The address of a server that runs in a thread."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def running():
    return run_server


@pytest.fixture(scope="session")
def served(untrained):
    """The address of a server with the untrained model, and its predictor."""
    from locount.inference import Predictor
    from locount.serve import build_app, build_server

    predictor = Predictor(untrained / "config.yaml", untrained / "model.pth")
    with run_server(build_server(build_app(predictor))) as address:
        yield address, predictor
