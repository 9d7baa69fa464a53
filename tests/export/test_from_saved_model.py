"""An export in another format."""

import pytest

from mrisynth.errors import UserError
from mrisynth.export.formats.saved_model import export_generator
from mrisynth.export.from_saved_model import export_again
from mrisynth.networks import Generator
from mrisynth.networks.exported import read_generator

pytestmark = pytest.mark.both_stacks


def test_it_has_the_card_of_the_export(heads, tmp_path):
    again = export_again(heads, tmp_path / "again", "saved_model")
    (first, card, _), (second, copied, _) = read_generator(heads), read_generator(again)
    assert again == tmp_path / "again" / "1"
    assert {**first.get_config(), "name": ""} == {**second.get_config(), "name": ""}
    # The checksum is of the graph, too.
    assert {**copied["model"], "checksum": ""} == {**card["model"], "checksum": ""}
    assert {**copied, "model": {}} == {**card, "model": {}}


def test_a_file_in_the_way_stays(tmp_path):
    (tmp_path / "file").write_text("kept")
    generator = Generator(resolution=8, latent_size=4, fmap_base=16, fmap_max=4)
    with pytest.raises(UserError, match="--output=.*file is not a folder; name one for the model's versions"):
        export_generator(generator, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"
