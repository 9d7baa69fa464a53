"""tools/export.py in this process; tests/export has what it writes."""

from tests.programs import call, check_refusal

PROGRAM = "tools/export.py"


def test_it_says_where_the_generator_is(ended_run, tmp_path):
    for version in ("1", "2"):
        ended = call(PROGRAM, f"--run_dir={ended_run}", f"--output={tmp_path / 'heads'}")
        folder = tmp_path / "heads" / version
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == (
            f"The generator is in {folder}, what it is in {folder}/assets.extra/model_card.md.\n"
        )
        assert (folder / "assets.extra" / "model_card.md").is_file()


def test_a_folder_that_cannot_be_written_is_named(ended_run, tmp_path):
    (tmp_path / "file").touch()
    ended = call(PROGRAM, f"--run_dir={ended_run}", f"--output={tmp_path / 'file' / 'heads'}")
    check_refusal(ended, f"{tmp_path / 'file' / 'heads'} cannot be written")
