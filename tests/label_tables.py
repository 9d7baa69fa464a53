"""Tables of labels whose cells are known."""

from mrisynth.data.conditions.cells import distribution_of
from mrisynth.data.labels import Label, LabelKind, LabelSchema

SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w", "T2w")),
        Label("participant/sex", LabelKind.CATEGORICAL, ("F", "M")),
        Label("position_mm", LabelKind.CONTINUOUS, (), 0.0, 25.0, 0.2),
    )
)


def make_table():
    """FLAIR and T1w of 40 subjects at nine places; T2w of 12 women and 3 men, the lower half of the places.

    One of the 40 has no known sex.
    """
    rows = []
    for subject in range(40):
        sex = "n/a" if subject == 0 else "FM"[subject % 2]
        rows += [
            (f"sub-{subject:02d}", suffix, sex, f"{place}")
            for suffix in ("FLAIR", "T1w")
            for place in range(-40, 41, 10)
        ]
    for subject in range(15):
        sex = "F" if subject < 12 else "M"
        rows += [(f"sub-t2{subject:02d}", "T2w", sex, f"{place}") for place in range(-40, 1, 10)]
    columns = ("subject", "suffix", "participant/sex", "position_mm")
    return dict(zip(columns, zip(*rows, strict=True), strict=True))


DISTRIBUTION = distribution_of(make_table(), SCHEMA)
