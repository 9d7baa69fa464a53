"""What every measure says, in one plain sentence, and where it comes from."""

from __future__ import annotations

import dataclasses

from mrisynth.evaluation.results import Measure
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A measure explained.

    Attributes:
        sentence: What it says, for readers who never heard of it.
        reference: Where the expert finds it; empty if it needs none.
    """

    sentence: str
    reference: str = ""


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a verdict means for whoever has to decide.

    Attributes:
        look: "good", "open" or "bad": color and symbol.
        advice: One or two sentences.
    """

    look: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Distance:
    """A measure of distance explained.

    Attributes:
        title: Its name in the report.
        axis: What a number means, for the axis of a plot.
    """

    title: str
    axis: str


MEANINGS = {
    NO_SIGN: Meaning(
        "good",
        "No test below found that the model repeats the scans it was trained on. This is evidence, not "
        "proof; the decision to share images stays with the people responsible for the scans.",
    ),
    INCONCLUSIVE: Meaning(
        "open",
        "The tests below do not settle the question. Treat images and model as confidential until an "
        "evaluation with more images or more patients does.",
    ),
    COPIES_FOUND: Meaning(
        "bad",
        "Generated images come too close to scans of patients the model was trained on. Treat images and "
        "model as confidential.",
    ),
}

_DISTANCES = {
    "pixels": Distance(
        "By gray values", "1 \N{MINUS SIGN} correlation after alignment (0: the same but for brightness)"
    ),
    "features": Distance("By features", "squared distance between features"),
}

# By the part of a measure's key before the slash.
_GROUPS = {
    "swd": Explanation(
        "How much small patches of generated images differ from patches of real ones, from coarse to fine.",
        "Karras et al., Progressive Growing of GANs, ICLR 2018, arXiv 1710.10196.",
    ),
    "ms_ssim": Explanation(
        "How much two randomly chosen images resemble each other; generated images that resemble each other "
        "more than real ones do are not diverse enough.",
        "Wang, Simoncelli and Bovik, Multiscale structural similarity, Asilomar 2003.",
    ),
    "frechet": Explanation(
        "How much generated and real images differ as a whole, as their features describe them.",
        "Heusel et al., Two time-scale update rule, NeurIPS 2017, arXiv 1706.08500.",
    ),
    "kernel": Explanation(
        "How much generated and real images differ as a whole, as their features describe them, without "
        "the bias that few images cause.",
        "Bińkowski et al., Demystifying MMD GANs, ICLR 2018, arXiv 1801.01401.",
    ),
    "precision": Explanation(
        "Which part of the generated images looks like something that occurs among real ones.",
        "Kynkäänniemi et al., Improved precision and recall, NeurIPS 2019, arXiv 1904.06991.",
    ),
    "recall": Explanation(
        "Which part of the variety of real images the generated ones cover.",
        "Kynkäänniemi et al., Improved precision and recall, NeurIPS 2019, arXiv 1904.06991.",
    ),
    "density": Explanation(
        "How densely generated images lie where real ones lie.",
        "Naeem et al., Reliable fidelity and diversity metrics, ICML 2020, arXiv 2002.09797.",
    ),
    "coverage": Explanation(
        "Which part of the real images has a generated one nearby.",
        "Naeem et al., Reliable fidelity and diversity metrics, ICML 2020, arXiv 2002.09797.",
    ),
    "spectrum": Explanation("How much generated and real images differ in coarse and fine structure."),
}


def explain(measure: Measure) -> Explanation:
    """What a measure says; where nobody wrote that down, how to read its numbers."""
    reading = {
        "lower": "The lower, the more alike are generated and real images.",
        "higher": "The higher, the better.",
        "like real": "Best where generated images have the value of real ones.",
    }
    return _GROUPS.get(measure.key.partition("/")[0]) or Explanation(reading[measure.better])


def explain_distance(measure: str) -> Distance:
    """A measure of distance by its name."""
    return _DISTANCES.get(measure) or Distance(f"By {measure}", f"distance by {measure}")
