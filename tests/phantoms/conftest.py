"""Two phantoms, in every contrast, that the tests of this folder look at."""

import pytest

from mrisynth.phantoms.anatomy import draw_anatomy
from mrisynth.phantoms.contrast import CONTRASTS
from mrisynth.phantoms.dataset import draw_phantom
from mrisynth.phantoms.scanner import draw_scanner


@pytest.fixture(scope="session")
def healthy():
    """A subject without lesions whose acquisition is oblique."""
    number = next(s for s in range(1, 33) if not draw_anatomy(s).lesions and any(draw_scanner(s).obliquity))
    return number, draw_phantom(number, contrasts=tuple(CONTRASTS))


@pytest.fixture(scope="session")
def diseased():
    """A subject with lesions in the white matter."""
    number = next(s for s in range(1, 33) if len(draw_anatomy(s).lesions) > 2)
    return number, draw_phantom(number, contrasts=tuple(CONTRASTS))
