import base64
import dataclasses
import re

import numpy as np
import pytest

from mrisynth.report.plots import GENERATED_COLOR, REAL_COLOR, distance_plots, spectrum_plots
from tests.report.example_evaluations import make_evaluation


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation(samples=1, pairs=0)


def svg(picture):
    kind, _, encoded = picture.uri.partition(";base64,")
    assert kind == "data:image/svg+xml"
    return base64.b64decode(encoded).decode()


def test_plots_are_the_same_every_time_and_have_no_date(evaluation):
    first, second = (spectrum_plots(evaluation.spectra["image"]) for _ in range(2))
    assert first == second
    assert not any(re.search("<dc:date>", svg(picture)) for picture in first)


def test_generated_and_real_have_the_colors_of_the_page(evaluation):
    for picture in (
        *spectrum_plots(evaluation.spectra["image"]),
        *distance_plots(evaluation.privacy.closeness["gray_values"], "distance"),
    ):
        text = svg(picture)
        assert GENERATED_COLOR in text
        assert REAL_COLOR in text


def test_the_alternative_text_has_the_numbers_that_matter(evaluation):
    spectrum = evaluation.spectra["image"]
    halved = dataclasses.replace(spectrum, generated=spectrum.training * np.linspace(1, 0.5, 32))
    assert "1 at the coarsest, 0.5 at the finest" in spectrum_plots(halved)[1].alt
    closeness = evaluation.privacy.closeness["gray_values"]
    all_distances, closest = (picture.alt for picture in distance_plots(closeness, "some distance"))
    assert "some distance: a histogram of 2,000 generated images and 561 held-out slices" in all_distances
    assert f"{closeness.generated.min():.3g} for generated images" in closest
