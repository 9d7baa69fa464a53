import json
import pathlib

import pytest

from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder
from mrisynth.run_folder import RunFolder
from mrisynth.training.origin import Origin, TrainingData, find_source, origin_of_card

ORIGIN = Origin("abc", (TrainingData("x", False), TrainingData(None, True)), pathlib.Path("/runs/first"))


def test_what_is_written_is_read_back_and_where_it_lay_only_if_asked_for():
    document = json.loads(json.dumps(ORIGIN.to_json(with_path=True)))
    assert Origin.from_json(document) == ORIGIN
    assert ORIGIN.to_json() == {
        "weights_checksum": "abc",
        "data": [{"fingerprint": "x", "kind": "scans"}, {"fingerprint": None, "kind": "phantoms"}],
    }
    assert Origin.from_json(ORIGIN.to_json()).path is None


def test_a_card_that_says_nothing_knows_of_no_origin():
    assert origin_of_card(None) is None
    assert origin_of_card({"data": {"kind": "scans"}}) is None
    assert origin_of_card({"data": {"first_weights": ORIGIN.to_json()}}).data == ORIGIN.data


def test_a_run_and_an_export_are_told_apart(tmp_path):
    for file in ("run/config.json", "export/2/saved_model.pb", "else/file"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    assert find_source(tmp_path / "run") == RunFolder(tmp_path / "run")
    assert find_source(tmp_path / "export") == ExportFolder(tmp_path / "export" / "2")
    for name in ("else", "nothing"):
        with pytest.raises(UserError, match=f"--init_from=.*{name} is neither a run, .* nor an exported"):
            find_source(tmp_path / name)
