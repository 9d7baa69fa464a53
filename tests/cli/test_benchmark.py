"""tools/benchmark.py in this process."""

import json

import pytest

from mrisynth.benchmarks import data, training
from tests.programs import call

PROGRAM = "tools/benchmark.py"


@pytest.mark.slow
def test_benchmark_measures_every_resolution(small_dataset, monkeypatch):
    monkeypatch.setattr(training, "_MIN_SECONDS", 0.2)
    monkeypatch.setattr(data, "_READING_SECONDS", 0.1)
    monkeypatch.setattr(data, "preparation_seconds", lambda folder, rounds: 0.5 * rounds)
    flags = [
        "--resolutions=8,16",
        "--fmap_base=64",
        "--fmap_max=8",
        "--latent_size=8",
        "--batch_sizes=8:4,16:4",
    ]
    flags += ["--attention_discriminator=16", "--rounds=3", "--json"]
    flags += [f"--data_dir={small_dataset}", "--conditions=position_mm"]
    result = call(PROGRAM, *flags)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["preparation_seconds"] == 1.5
    assert report["machine"].keys() == {"processor", "cores", "bfloat16"}
    rows = report["resolutions"]
    assert [row["resolution"] for row in rows] == [8, 16]
    for row in rows:
        rates = ("training", "float32_training", "plain_training", "generation", "pipeline", "matrix_rate")
        assert all(row[name] > 0 for name in rates)
        assert row["speedup"] == pytest.approx(row["training"] / row["plain_training"])
        assert row["folding_speedup"] == pytest.approx(row["float32_training"] / row["plain_training"])
        assert row["labels_share"] == pytest.approx(row["training"] / row["labeled_training"] - 1)
        assert row["labels_share"] != 0
        assert row["attention"] == []  # There are no maps of 32x32.
        assert row["utilization"] == pytest.approx(row["training"] * row["operations"] / row["matrix_rate"])
    # Generation is part of what training does; medians of three rounds bear a disturbed one.
    assert rows[1]["generation"] > rows[1]["training"]
