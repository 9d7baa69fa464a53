"""An ended run, its export, and a server over it."""

import pytest

from mrisynth.export.from_run import export_run
from tests.serving import made_run
from tests.serving.model_server import ModelServer


@pytest.fixture(scope="session")
def private_data(small_dataset, tmp_path_factory):
    """A data set of telling names."""
    folder = tmp_path_factory.mktemp("private") / "data"
    made_run.write_data_set(small_dataset, folder)
    return folder


@pytest.fixture(scope="session")
def ended_run(private_data, tmp_path_factory):
    """A run that has grown to its full size and was evaluated."""
    run_dir = tmp_path_factory.mktemp("ended") / "run"
    made_run.write_run(run_dir, private_data)
    made_run.write_evaluation(run_dir)
    return run_dir


@pytest.fixture(scope="session")
def heads(ended_run, tmp_path_factory):
    """NAME/1, the export of that run."""
    return export_run(ended_run, tmp_path_factory.mktemp("saved_models") / "heads")


@pytest.fixture(scope="session")
def server(heads):
    server = ModelServer({"heads": heads.parent})
    yield server
    server.close()
