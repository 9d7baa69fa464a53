import json
import os

import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.training import strategies
from mrisynth.training.config import JitCompile, Precision, Strategy


def test_one_device_unless_asked():
    strategy = strategies.make_strategy(Strategy.DEFAULT)
    assert strategy.num_replicas_in_sync == strategies.local_replicas(strategy) == 1
    assert strategies.is_chief(strategy)
    assert not strategies.is_multi_worker(strategy)


def test_replicas_of_one_process_have_one_chief_and_add_up_at_once(two_replicas):
    assert strategies.is_chief(two_replicas)
    assert strategies.local_replicas(two_replicas) == 2
    assert strategies.total(two_replicas, 3) == strategies.from_chief(two_replicas, 3) == 3


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (None, "finds neither TF_CONFIG nor a Slurm step"),
        ("", "finds neither TF_CONFIG nor a Slurm step"),
        ("{", "TF_CONFIG does not name this worker"),
        ("[]", "TF_CONFIG does not name this worker"),
        ('{"task": 3}', "TF_CONFIG does not name this worker"),
        (
            json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}),
            "TF_CONFIG does not name this worker",
        ),
    ],
)
def test_workers_that_nobody_names_are_refused(described, message, monkeypatch):
    monkeypatch.delenv("SLURM_STEP_NODELIST", raising=False)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if described is not None:
        monkeypatch.setenv("TF_CONFIG", described)
    with pytest.raises(UserError, match=message):
        strategies.make_strategy(Strategy.MULTI_WORKER)


@pytest.mark.parametrize("described", ["", "{", "[]", '{"task": 3}', '{"cluster": {"worker": ["a:1"]}}'])
def test_one_machine_ignores_what_is_said_of_several(described, monkeypatch):
    made = []
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda _: made.append(os.environ.get("TF_CONFIG")))
    for name in (Strategy.DEFAULT, Strategy.MIRRORED):
        monkeypatch.setenv("TF_CONFIG", described)
        strategies.make_strategy(name)
        assert "TF_CONFIG" not in os.environ
    assert made == [None]


def test_an_empty_description_of_workers_leaves_them_to_slurm(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "")
    monkeypatch.setenv("SLURM_STEP_NODELIST", "a")
    monkeypatch.setattr(strategies, "_cluster_of_slurm", lambda: "of Slurm")
    with pytest.raises(UserError, match="does not name this worker"):
        strategies.make_strategy(Strategy.MULTI_WORKER)
    assert os.environ["TF_CONFIG"] == "of Slurm"


def test_a_lost_worker_is_one_sentence_where_there_are_several(monkeypatch):
    strategy = tf.distribute.get_strategy()
    lost = tf.errors.UnavailableError(None, None, "gone")
    with pytest.raises(tf.errors.UnavailableError), strategies.naming_lost_workers(strategy):
        raise lost
    monkeypatch.setattr(strategies, "is_multi_worker", lambda _: True)
    with (
        pytest.raises(UserError, match="another worker is lost; start the same command on all"),
        strategies.naming_lost_workers(strategy),
    ):
        raise lost


@pytest.mark.parametrize(
    ("batch", "replicas", "message"),
    [
        (9, 2, "9 images at 4x4, which 2 replicas cannot share evenly; use a multiple of 2"),
        (12, 2, "6 images at 4x4.*groups of 4; use 8 or 16"),
        (6, 1, "6 images at 4x4.*groups of 4; use 4 or 8"),
    ],
)
def test_batches_that_do_not_divide_are_refused(batch, replicas, message):
    with pytest.raises(UserError, match=message):
        strategies.check_batches({4: batch}, replicas)


@pytest.mark.parametrize(("batch", "replicas"), [(8, 2), (2, 1), (6, 2), (3, 1), (4, 4), (128, 8)])
def test_batches_that_divide_are_taken(batch, replicas):
    strategies.check_batches({4: batch}, replicas)


def test_precision_is_as_asked_or_as_the_hardware_has_it(monkeypatch):
    assert strategies.dtype_policy(Precision.FLOAT32) == "float32"
    assert strategies.dtype_policy(Precision.MIXED_BFLOAT16) == "mixed_bfloat16"
    for has, policy in ((True, "mixed_bfloat16"), (False, "float32")):
        monkeypatch.setattr(strategies, "has_bfloat16", lambda has=has: has)
        assert strategies.dtype_policy(Precision.AUTO) == policy


def test_xla_compiles_as_asked_or_on_gpus(monkeypatch):
    assert strategies.compiles(JitCompile.TRUE)
    assert not strategies.compiles(JitCompile.FALSE)
    for gpus in ([], ["GPU:0"]):
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda _, gpus=gpus: gpus)
        assert strategies.compiles(JitCompile.AUTO) == bool(gpus)


def test_what_a_run_is_computed_on_is_said_in_words(monkeypatch, two_replicas):
    monkeypatch.setattr(strategies, "available_cores", lambda: 3)
    alone = tf.distribute.get_strategy()
    assert strategies.device_in_words(alone, Precision.FLOAT32) == "CPU, 3 cores, float32"
    assert (
        strategies.device_in_words(two_replicas, Precision.FLOAT32) == "CPU, 3 cores, as 2 devices, float32"
    )
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["gpu"])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: ["gpu"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: {"device_name": "A100"})
    assert strategies.device_in_words(two_replicas, Precision.MIXED_BFLOAT16).startswith(
        "2 GPUs (A100), mixed"
    )
