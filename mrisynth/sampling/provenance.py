"""Where images come from: the model, the data it learned from, and what its evaluation said on copying.

Whoever gives images away says this in every file of theirs, in the words of the model card.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mrisynth import checksums
from mrisynth.errors import UserError
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN, UNKNOWN

if TYPE_CHECKING:  # Formats are known, and flags read, without TensorFlow.
    from mrisynth.sampling.generators import Sampler

NOT_EVALUATED = "not evaluated"
"""The verdict on a model whose card has none."""

_DESCRIPTION_LETTERS = 79
_SYNTHETIC = "Synthetic: every image was computed by a neural network from random numbers. Not for diagnosis."


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What is known of images that are drawn from an export.

    Attributes:
        model: Name of the model.
        version: Version of the model; empty if it has none.
        checksum: SHA-256 of the model's graph and weights.
        trained_on: Fingerprint of the data set that it was trained on; None where its card does not say.
        phantoms: Whether that data set is said to be of phantoms alone.
        verdict: What its evaluation said on copying, in the words of `mrisynth.privacy.verdict`, or
            `NOT_EVALUATED`.
        date: Day of that evaluation, YYYY-MM-DD; None if there was none.
        report: SHA-256 of the evaluation's report.html; None where the card does not say.
        unlike: What the evaluation said of images that are not like the data; empty if they are.
        asked: Whether the images were asked for labels or a truncation, which those of an evaluation are not.
        short: Whether it was the short form, with fewer images.
        other_limits: The limits that were not mrisynth's own, by name.
    """

    model: str
    version: str
    checksum: str
    trained_on: str | None
    phantoms: bool = False
    verdict: str = NOT_EVALUATED
    date: str | None = None
    report: str | None = None
    unlike: str = ""
    asked: bool = False
    short: bool = False
    other_limits: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, sampler: Sampler, despite_copies: bool = False, asked: bool = False) -> Provenance:
        """Reads the provenance of a sampler's images from its export.

        Args:
            sampler: What the images are drawn from, an export.
            despite_copies: Whether images may be given away although the evaluation found copies.
            asked: Whether anything is asked of labels, or a truncation.

        Raises:
            UserError: If it found copies and they may not, or if the model card's evaluation is damaged.
        """
        export, card = sampler.export, sampler.card or {}
        try:
            named = (export.name, export.version, export.checksum)
            found = cls.of_card(card, *named, sampler.trained_on, asked)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"--saved_model: the evaluation in the model card of {export.path} is damaged ({error}); "
                "export the model again"
            ) from error
        if found.despite_copies and not despite_copies:
            raise UserError(
                f"--saved_model={export.path} copies training scans: the evaluation of {found.date} says "
                f'"{COPIES_FOUND}"; train it on more subjects, or give --release_despite_copies, which every '
                "file will then say"
            )
        return found

    @classmethod
    def of_card(
        cls,
        card: Mapping[str, Any],
        model: str,
        version: str,
        checksum: str,
        trained_on: str | None,
        asked: bool = False,
    ) -> Provenance:
        """Reads what a model card says of the evaluation.

        Args:
            card: The card; nothing is known if it is empty.
            model: See the attributes.
            version: See the attributes.
            checksum: See the attributes.
            trained_on: See the attributes.
            asked: See the attributes.

        Raises:
            KeyError, TypeError or AttributeError: If the card is damaged.
        """
        evaluation = card.get("evaluation")
        said: dict[str, Any] = {"phantoms": card.get("data", {}).get("kind") == "phantoms", "asked": asked}
        if evaluation is not None:
            said |= {
                "verdict": str(evaluation["privacy"]["verdict"]["words"]),
                "date": str(evaluation["date"]),
                "report": (evaluation.get("report") or {}).get("checksum"),
                "unlike": evaluation.get("unlike_the_data") or "",
                "short": bool(evaluation.get("short")),
                "other_limits": dict(evaluation["privacy"].get("thresholds") or {}),
            }
            if trained_on is None and said["verdict"] != COPIES_FOUND:
                # Copies can only be looked for in the data set that a model was trained on.
                said["verdict"] = UNKNOWN
        return cls(model, version, checksum, trained_on, **said)

    @property
    def despite_copies(self) -> bool:
        """Whether the evaluation found copies, and images are given away all the same."""
        return self.verdict == COPIES_FOUND

    @property
    def name(self) -> str:
        """The model in words."""
        return f"{self.model}, version {self.version}" if self.version else self.model

    @property
    def statement(self) -> str:
        """What every file says, in sentences, with short forms of checksums."""
        sentences = [_SYNTHETIC, self.on_copying, f"{self.origin}."]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def on_copying(self) -> str:
        """The verdict on copying, and what it means for who has the images, in sentences."""
        if self.verdict == NOT_EVALUATED:
            return "The model was not evaluated for copying: images may be copies of training data."
        report = f"report {checksums.short(self.report)}" if self.report else "report unknown"
        form = "short form of the evaluation" if self.short else "evaluation"
        by = ", by other limits than mrisynth's" if self.other_limits else ""
        said = f'Verdict on copying of training data: "{self.verdict}" ({form} of {self.date}{by}, {report})'
        if self.despite_copies:
            said += ": some images are copies. They were released all the same, with --release_despite_copies"
        elif self.verdict != NO_SIGN:
            said += ": images may be copies"
        asked = (
            "The evaluation did not look at images that were asked for labels or a truncation, as these were."
        )
        return " ".join(part for part in (f"{said}.", self.unlike, asked if self.asked else "") if part)

    @property
    def origin(self) -> str:
        """Which model drew the images, and from which data it learned, in words."""
        model = f"Drawn from the model {self.name}, checksum {checksums.short(self.checksum)}"
        if self.trained_on is None and not self.phantoms:
            return f"{model}, which does not say what it was trained on"
        kind = "phantoms" if self.phantoms else "scans"
        which = f", fingerprint {checksums.short(self.trained_on)}" if self.trained_on else ""
        return f"{model}, trained on a data set of {kind}{which}"

    @property
    def description(self) -> str:
        """The verdict for a header with room for 79 letters; the report only if there is room for it."""
        words = f"copying {self.verdict}" if self.verdict in (INCONCLUSIVE, NOT_EVALUATED) else self.verdict
        words = f"released despite {words}" if self.despite_copies else words
        if self.verdict in (NO_SIGN, INCONCLUSIVE):  # Of harm it does not matter how little was looked at.
            words += ", short form" if self.short else ""
            words += ", other limits" if self.other_limits else ""
        said = f"synthetic (mrisynth), {words}{f' {self.date}' if self.date else ''}"
        report = f" ({checksums.short(self.report)})" if self.report else ""
        return said + report if len(said + report) <= _DESCRIPTION_LETTERS else said

    def to_json(self) -> dict[str, Any]:
        """All of it for programs; None where something is not known."""
        return {
            "Model": self.model,
            "ModelVersion": self.version,
            "ModelChecksum": self.checksum,
            "TrainedOnPhantoms": self.phantoms,
            "TrainingDataFingerprint": self.trained_on,
            "VerdictOnCopying": self.verdict,
            "EvaluationDate": self.date,
            "EvaluationReportChecksum": self.report,
            "EvaluationShortForm": self.short,
            "OtherLimitsThanMrisynths": dict(self.other_limits),
            "ReleasedDespiteCopies": self.despite_copies,
        }
