import errno
import re

import pytest
import tensorflow as tf

from mrisynth.disk_errors import naming_disk_errors
from mrisynth.errors import UserError


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
