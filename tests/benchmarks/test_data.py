import pytest

from mrisynth.benchmarks import data


@pytest.mark.slow
def test_preparing_a_volume_takes_processor_time(tmp_path):
    assert 0 < data.preparation_seconds(tmp_path, rounds=1) < 60
    assert [path.name for path in tmp_path.iterdir()] == ["sub-oblique_FLAIR.nii.gz"]


def test_images_read_in_a_while_by_its_length(small_dataset, monkeypatch):
    task = data.reading(small_dataset, resolution=16, batch_size=4)
    # Begins at 10 s; looks after each of three batches; ends at 11.2 s.
    clock = iter([10.0, 10.0, 10.4, 10.8, 11.2, 11.2])
    monkeypatch.setattr(data.time, "perf_counter", lambda: next(clock))
    assert task() == pytest.approx(3 * 4 / 1.2)
