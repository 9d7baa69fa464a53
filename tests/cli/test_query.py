"""tools/query_serving.py in this process; tests/serving has the client against a server."""

import numpy as np
import pytest

from mrisynth.sampling.conditions import Condition
from mrisynth.serving import client
from tests.programs import call, check_refusal

PROGRAM = "tools/query_serving.py"


@pytest.fixture
def asked(monkeypatch):
    """Queries, answered by images of one gray value each, instead of by a server."""
    queries = []

    def fetch(query):
        queries.append(query)
        return np.linspace(-1, 1, query.count, dtype=np.float32)[:, None, None] * np.ones(
            (1, 4, 4), np.float32
        )

    monkeypatch.setattr(client, "fetch", fetch)
    return queries


def test_images_are_saved_and_it_says_where(asked, tmp_path):
    flags = ["--model=heads", "--count=3", "--seed=5", "--condition=age=30", "--condition=suffix=T1w"]
    ended = call(PROGRAM, *flags, f"--output={tmp_path / 'images.npy'}")
    assert ended.stdout == f"3 images of 4x4 are in {tmp_path / 'images.npy'}.\n"
    (query,) = asked
    assert (query.model, query.count, query.seed) == ("heads", 3, 5)
    assert query.conditions == (Condition("age", "30"), Condition("suffix", "T1w"))
    assert np.load(tmp_path / "images.npy").shape[:3] == (3, 4, 4)


def test_a_server_that_is_not_there_is_one_sentence(tmp_path):
    ended = call(PROGRAM, "--server=localhost:1", "--model=heads", f"--output={tmp_path / 'images.npy'}")
    check_refusal(ended, "--server=localhost:1")
    assert list(tmp_path.iterdir()) == []
