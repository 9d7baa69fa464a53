"""Data sets that several tests read, and folders that nobody may read."""

import os

import pytest

from mrisynth.data import prepare_dataset
from tests.data.ellipsoid_scans import SMALL, write_bids


@pytest.fixture(scope="session")
def bids_folder(tmp_path_factory):
    """A BIDS data set of six subjects with lesion masks; not to be changed."""
    return write_bids(tmp_path_factory.mktemp("scans") / "bids", masks=True)


@pytest.fixture(scope="session")
def data_dir(bids_folder, tmp_path_factory):
    """A prepared data set of six subjects; not to be changed."""
    output = tmp_path_factory.mktemp("prepared") / "data"
    prepare_dataset(input=bids_folder, output=output, masks="derivatives/lesion", **SMALL)
    return output


@pytest.fixture
def refuse_folder(monkeypatch):
    """Keeps folders whose paths end in a name from being read, also by root."""

    def refuse(name):
        listed = os.scandir

        def scandir(place):
            if str(place).endswith(name):
                raise PermissionError(13, "Permission denied", str(place))
            return listed(place)

        monkeypatch.setattr(os, "scandir", scandir)

    return refuse
