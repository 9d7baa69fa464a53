import pathlib

from mrisynth.run_folder import RunFolder


def test_every_path_is_in_the_folder_and_no_other_is_the_same():
    folder = RunFolder(pathlib.Path("runs/[a]"))
    names = [name for name, value in vars(RunFolder).items() if isinstance(value, property)]
    paths = [getattr(folder, name) for name in names]
    assert len(set(paths)) == len(names) >= 10
    assert all(path.is_relative_to(folder.path) and path != folder.path for path in paths)


def test_the_paths_that_users_and_their_scripts_know():
    folder = RunFolder(pathlib.Path("run"))
    assert str(folder.results) == "run/evaluation/results.json".replace("/", pathlib.os.sep)
    assert folder.exported == folder.saved_model / "1"
    assert folder.sample_grid("real", 112, 8) == folder.samples / "real_000000112_008x008.png"


def test_the_newest_version_is_the_exported_one(tmp_path):
    folder = RunFolder(tmp_path)
    for version in ("1", "9", "10", "x", "0"):
        (folder.saved_model / version).mkdir(parents=True)
    assert folder.exported == folder.saved_model / "10"
