import dataclasses

import pytest

from mrisynth.benchmarks import data, training
from mrisynth.networks import NetworkConfig
from mrisynth.networks.flops import training_operations


def test_cost_of_attention():
    # 10 images/s without and 8 with: 0.1 s become 0.125, a quarter more. A tenth of the operations would have
    # taken a tenth more.
    cost = training.AttentionCost(32, 8.0, 10.0, operations=100, operations_without=1000)
    assert cost.share == pytest.approx(0.25)
    assert cost.factor == pytest.approx(2.5)


def test_the_rate_of_a_matrix_product_is_that_of_a_computer(monkeypatch):
    monkeypatch.setattr(training, "_MATRIX_SECONDS", 0.01)
    assert 1e8 < training.matrix_product_rate("float32") < 1e16


def test_the_table_by_hand():
    cost = training.AttentionCost(32, 8.0, 10.0, operations=100, operations_without=1000)
    row = training.Measurement(
        resolution=64,
        batch_size=8,
        training=30.0,
        float32_training=24.0,
        plain_training=20.0,
        generation=300.0,
        pipeline=6000.0,
        operations=2 * 10**9,
        matrix_rate=1e11,
        attention=(cost,),
        labeled_training=25.0,
    )
    first, second = training.table([row]).split("\n\n")
    assert first.splitlines()[1].split() == [
        *("64", "8", "30.0", "20.0", "1.50", "2.000", "60%", "300.0", "6000.0", "200.0")
    ]
    assert second.splitlines()[1].split() == ["64", "1.20", "25.0%", "2.50", "20.0%"]
    assert row.as_json()["attention"][0]["share"] == pytest.approx(0.25)


@pytest.mark.slow
def test_attention_is_compared_with_the_step_without_any(small_dataset, monkeypatch):
    monkeypatch.setattr(training, "_MIN_SECONDS", 0.0)
    monkeypatch.setattr(data, "_READING_SECONDS", 0.1)
    monkeypatch.setattr(training, "ATTENTION_MAPS", (8, 16, 32))
    # 8 channels at 8x8, 4 at 16x16; the attention asked for is no part of the comparison.
    network = NetworkConfig(16, latent_size=8, fmap_base=32, fmap_max=8, attention_generator=(8,))
    row = training.measure(network, 4, "float32", small_dataset, rounds=1)
    (cost,) = row.attention
    assert cost.maps == 8
    bare = dataclasses.replace(network, attention_generator=())
    assert cost.operations_without == training_operations(bare, 2)
    # 3 + 4 + 5 + 2 passes of the discriminator, of which each projects 64 pixels of 8 channels to 1, 1 and 4
    # and back from 4, and multiplies 64 queries with 16 keys and values.
    assert cost.operations == 14 * 2 * (64 * 8 * (1 + 1 + 4 + 4) + 64 * 16 * (1 + 4))
    # What is the same program is measured once.
    assert row.float32_training == row.training == row.labeled_training
