import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_benchmark_measures_every_resolution(small_dataset):
    flags = [
        "--resolutions=8,16",
        "--fmap_base=64",
        "--fmap_max=8",
        "--latent_size=8",
        "--batch_sizes=8:4,16:4",
    ]
    flags += ["--attention_discriminator=16", "--rounds=1", f"--data_dir={small_dataset}", "--json"]
    command = [sys.executable, "tools/benchmark.py", *flags]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    report = json.loads(result.stdout)
    assert report["preparation_seconds"] > 0
    rows = report["resolutions"]
    assert [row["resolution"] for row in rows] == [8, 16]
    for row in rows:
        rates = ("training", "plain_training", "generation", "pipeline", "matrix_rate")
        assert all(row[name] > 0 for name in rates)
        assert row["speedup"] == pytest.approx(row["training"] / row["plain_training"])
        assert row["utilisation"] == pytest.approx(row["training"] * row["operations"] / row["matrix_rate"])
    # Generation is part of what training does.
    assert rows[1]["generation"] > rows[1]["training"]
