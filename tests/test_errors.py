import errno
import pathlib
import re
import subprocess
import sys

import pytest
import tensorflow as tf

from mrisynth.errors import UserError, naming_disk_errors

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (tf.errors.UnknownError(None, None, "a/b.tmp; File too large [Op:SaveV2]"), "File too large"),
    ],
)
def test_a_full_disk_is_one_sentence_with_what_is_free(error, reason, tmp_path):
    folder = tmp_path / "not" / "yet"
    words = rf"{re.escape(str(folder))} cannot be written \({reason}, [\d,]+ MiB are free there\); make room"
    with pytest.raises(UserError, match=words), naming_disk_errors(folder):
        raise error


def test_other_errors_are_not_for_it(tmp_path):
    with pytest.raises(ValueError, match="odd"), naming_disk_errors(tmp_path):
        raise ValueError("odd")


def test_what_is_free_says_nothing_of_a_folder_that_one_must_not_write_to(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied")
    words = (
        rf"^--output={re.escape(str(tmp_path))} cannot be written \(Permission denied\); name another place$"
    )
    with pytest.raises(UserError, match=words), naming_disk_errors(tmp_path, "--output"):
        raise error


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    words = r"/out/1 cannot be written \(.*file is a file\); name another place$"
    for make in (pathlib.Path.mkdir, pathlib.Path.touch):
        with pytest.raises(UserError, match=words), naming_disk_errors(tmp_path / "file" / "out" / "1"):
            make(tmp_path / "file" / "out")


def test_another_file_is_not_taken_for_what_is_written(tmp_path):
    """As a prepared data set that an export must read, and may not."""
    other = tmp_path / "out2" / "manifest.json"
    words = rf"^{re.escape(str(other))} cannot be read or written \(Permission denied\)$"
    with pytest.raises(UserError, match=words), naming_disk_errors(tmp_path / "out", "--output"):
        raise PermissionError(errno.EACCES, "Permission denied", str(other))
    for own in (tmp_path, tmp_path / "out" / "1", tmp_path / ".out.partial" / "1"):
        with (
            pytest.raises(UserError, match="^--output=.*out cannot"),
            naming_disk_errors(tmp_path / "out", "--output"),
        ):
            raise PermissionError(errno.EACCES, "Permission denied", str(own))


def test_tensorflow_is_not_imported_to_name_an_error():
    program = (
        "import sys, pathlib, mrisynth.errors as e\n"
        "try:\n"
        "    with e.naming_disk_errors(pathlib.Path('.')): raise OSError(28, 'full')\n"
        "except e.UserError: sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
