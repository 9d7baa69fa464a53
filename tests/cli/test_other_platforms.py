"""What Windows and macOS lack is taken away: a preparation, a training and a release run all the same."""

import os
import re
import subprocess
import sys

import pytest

from mrisynth.data import read_manifest
from tests.programs import ROOT, TRAIN, command
from tests.training_flags import TINY

# Python imports a module of this name by itself at its start, in the processes that programs start, too.
SITECUSTOMIZE = """
import builtins, os, sys

MISSING = {"fcntl", "grp", "pwd", "resource", "termios"}
import_anything, open_anything, rename_anywhere = builtins.__import__, os.open, os.rename

def import_what_is_there(name, globals=None, *rest, **more):
    if name in MISSING and (globals or {}).get("__name__", "").split(".")[0] == "mrisynth":
        raise ImportError(f"No module named {name!r}")
    return import_anything(name, globals, *rest, **more)

def open_files_only(path, *rest, **more):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return open_anything(path, *rest, **more)

def rename_to_what_is_free(source, target, **more):
    if os.path.lexists(target):
        raise FileExistsError(17, "File exists", target)
    return rename_anywhere(source, target, **more)

builtins.__import__ = import_what_is_there
os.open, os.rename = open_files_only, rename_to_what_is_free
# Without them shutil goes by names, as it does on Windows.
os.supports_dir_fd, os.supports_fd = set(), set()
for name in ("sched_getaffinity", "fork", "statvfs", "getuid"):
    delattr(os, name)
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    """Runs a command line without what other platforms lack; returns what it said on standard error."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITECUSTOMIZE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}

    def run(*arguments):
        ended = subprocess.run(arguments, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    return run


def test_without_what_other_platforms_lack(run, small_dataset, tmp_path):
    lacking = (
        "import os, mrisynth.locking\n"
        "assert not hasattr(os, 'sched_getaffinity')\n"
        "try:\n    mrisynth.locking._flock(0)\nexcept ImportError:\n    raise SystemExit(0)\n"
        "raise SystemExit('fcntl is there')"
    )
    run(sys.executable, "-c", lacking)

    scans, data = small_dataset.parent / "scans", tmp_path / "data"
    small = ["--voxel_size=5", "--field_of_view=160", "--resolution=16", "--holdout=0.3"]
    said = run(
        *command("tools/prepare_data.py", f"--input={scans}", f"--output={data}", *small, "--num_workers=2")
    )
    assert "knows no locks" in said
    assert read_manifest(data).splits == read_manifest(small_dataset).splits

    run(*command(TRAIN, f"--data_dir={data}", f"--run_dir={tmp_path / 'run'}", *TINY))
    flags = [f"--saved_model={tmp_path / 'run' / 'saved_model'}", f"--output={tmp_path / 'out'}", "--count=3"]
    said = run(*command("tools/generate.py", *flags))
    lines = (line for line in re.split(r"[\r\n]", said) if "knows no locks" not in line)
    assert all("image/s" in line or not line.strip() for line in lines)
    assert len(list((tmp_path / "out").glob("sub-*"))) == 3
