import json
import shutil
import signal

import pytest

from tests.comparison.plans import SMALLEST
from tests.programs import begin, call, check_refusal, start, wait_for

PROGRAM = "tools/compare.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output must name the folder"),
        (["--output=OUT", "--data_dir=/nowhere"], "--data_dir=?.*/nowhere"),
        (
            ["--output=OUT", "--data_dir=DATA", "--resolution=8", "--attention_discriminator=8"],
            "8x8 are too small",
        ),
        (["--output=DATA/manifest.json", "--data_dir=DATA"], "--output=.*manifest.json cannot be written"),
    ],
)
def test_faults_are_one_sentence(arguments, message, small_dataset, tmp_path):
    for name, path in (("DATA", small_dataset), ("OUT", tmp_path / "out")):
        arguments = [each.replace(f"={name}", f"={path}") for each in arguments]
    check_refusal(call(PROGRAM, *SMALLEST, *arguments), message)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_table(small_dataset, tmp_path):
    flags = [*SMALLEST, f"--data_dir={small_dataset}", "--seeds=2", "--jobs=2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ended = start(PROGRAM, *flags, f"--output={whole}")
    assert ended.returncode == 0, ended.stderr
    assert "## Model b less model a" in ended.stdout
    # The first pair is there, the second is lost and killed on its way.
    shutil.copytree(whole, killed)
    for path in [*killed.glob("comparison.*"), *killed.glob("runs/*_seed_1*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    flags[-1:] = ["--jobs=2", "--checkpoint_minutes=0", f"--output={killed}"]
    process = begin(PROGRAM, *flags)
    # As soon as one of the two is on its way: on a busy machine it may be done before the other is.
    wait_for(lambda: list(killed.glob("runs/*_seed_1/checkpoints/checkpoint-5.index")), process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "Stopped; run the same command again" in output
    assert not list(killed.glob("runs/*_seed_1/evaluation/results.json"))
    resumed = start(PROGRAM, *flags)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == ended.stdout
    documents = [json.loads((folder / "comparison.json").read_text()) for folder in (whole, killed)]
    assert documents[0] == documents[1]
    assert documents[0]["differences"][0]["measures"]["swd/mean"]["pairs"] == 2
