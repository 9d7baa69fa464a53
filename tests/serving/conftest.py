"""A server over the export of an ended run."""

import pytest

from tests.serving.model_server import ModelServer


@pytest.fixture(scope="session")
def server(heads):
    server = ModelServer({"heads": heads.parent})
    yield server
    server.close()
