"""The review of a prediction of three pictures, as a process and as a browser opens it."""

from pathlib import Path

import pytest
from review_process import Server
from review_tabs import ADDRESS, PORT, TOKEN, predict
from starlette.testclient import TestClient

from plugins.microscopy.review.crops import Crops
from plugins.microscopy.review.results import read_results
from plugins.microscopy.review.review import Digests, Review
from plugins.microscopy.review.server import CorrectedWriter, make_app


@pytest.fixture
def out(tmp_path) -> Path:
    return predict(tmp_path)


@pytest.fixture
def opened(out):
    """Function that opens the review in ``out`` as a new process would; the one before is closed."""
    last = []

    def start(names: dict | None = None) -> Review:
        if last:
            last.pop().log.close()
        results = read_results(out)
        review = Review(results, out / 'review', names or results.names, 'reader', Digests(results))
        last.append(review)
        return review

    yield start
    for review in last:
        review.log.close()


@pytest.fixture
def client(opened, out):
    """A browser with the token; ``client.review`` is what it looks at."""
    review = opened()
    writer = CorrectedWriter(review, out / 'review', quiet=3600)
    app = make_app(review, Crops(review.results), writer, len(review.results.boxes), TOKEN, PORT)
    client = TestClient(app, base_url=ADDRESS)
    assert client.get(f'/?token={TOKEN}').status_code == 200
    client.review, client.app_of_review = review, app
    yield client
    writer.stop()


@pytest.fixture
def serve():
    """Function that starts a server; what still runs at the end is killed."""
    servers = []

    def start(*words: str) -> Server:
        servers.append(Server(*words))
        return servers[-1]

    yield start
    for server in servers:
        server.browser.close()
        server.process.kill()
        server.process.communicate()
