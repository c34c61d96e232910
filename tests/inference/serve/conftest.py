import contextlib
import socket
import threading
import time

import pytest


@pytest.fixture(scope="session")
def served(untrained):
    """The address of a server with the untrained model, and its predictor."""
    import uvicorn

    from locount.inference import Predictor
    from locount.inference.serve import build_app

    predictor = Predictor(untrained / "config.yaml", untrained / "model.pth")
    server = uvicorn.Server(uvicorn.Config(build_app(predictor), log_level="warning"))
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", predictor
        server.should_exit = True
        thread.join()
