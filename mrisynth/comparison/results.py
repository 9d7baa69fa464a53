"""comparison.json and comparison.md: what the evaluations of a comparison's runs say together."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import mrisynth
from mrisynth.atomic_io import write_json_aside, write_text_aside
from mrisynth.comparison.paired import PairedDifference, paired_difference
from mrisynth.comparison.plan import ComparisonConfig, PlannedRun
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.evaluation.config import UtilityTask
from mrisynth.evaluation.results import read_results
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Measure, Spread, format_number
from mrisynth.metrics.registry import Direction
from mrisynth.utility.experiment import BOTH, BOTH_AUGMENTED, GENERATED, GENERATED_MANY, REAL

TABLE_NAME = "comparison.md"
JSON_NAME = "comparison.json"

_UTILITY = "utility/"
_OF_GENERATED = (GENERATED, GENERATED_MANY, BOTH, BOTH_AUGMENTED)

_EXPLANATION = """
Difference: how much more the second model has than the first, the mean over the pairs, with its 95 % interval
(Student's t); for measures that should be like those of real images, how much farther from them it is.
Detectable: the difference that as many pairs would tell from none 4 times of 5; half of it takes four times
the pairs. Sign test: how often chance alone would divide the pairs as unevenly. Of 20 measures one is below
0.05 by chance.
"""


def evaluation_of(run: PlannedRun) -> Mapping[str, Any] | None:
    """The evaluation of a finished run; None if it is not there yet, or of the run on its way."""
    try:
        results = read_results(run.training.folder.results)
    except UserError:
        return None
    finished = results and results["generator"].get("iterations") == run.training.schedule.iterations
    return results if finished else None


def is_as_asked(results: Mapping[str, Any], config: ComparisonConfig) -> bool:
    """Whether an evaluation has what the comparison asks for."""
    tried_out = (
        config.utility is UtilityTask.NONE or (results.get("utility") or {}).get("task") == config.utility
    )
    return tried_out and results["data"]["generated_images"] == config.images


def write_comparison(config: ComparisonConfig) -> str:
    """Writes what is known so far.

    Returns:
        The table, in Markdown.

    Raises:
        UserError: If the folder cannot be written.
    """
    measured = {
        (run.model, run.seed): _measures(results)
        for run in config.runs
        if (results := evaluation_of(run)) and is_as_asked(results, config)
    }
    differences = {
        models: dict(_differences(config, models, measured))
        for models in itertools.combinations(config.models, 2)
    }
    table = "\n".join(_lines(config, differences))
    with naming_disk_errors(config.output, "--output"):
        write_json_aside(config.output / JSON_NAME, _to_json(config, measured, differences))
        write_text_aside(config.output / TABLE_NAME, table)
    return table


Measured = Mapping[tuple[str, int], Mapping[str, Measure]]
Differences = Mapping[tuple[str, str], Mapping[str, PairedDifference]]


def _measures(results: Mapping[str, Any]) -> dict[str, Measure]:
    """The measures in results.json by key, and by "utility/" and the images what these are of use for."""
    measures = {
        key: Measure(*(Spread.from_json(measure[side]) for side in ("generated", "real")))
        for key, measure in results["measures"].items()
    }
    utility = results.get("utility") or {"rows": {}}
    scores = {
        name: Spread.from_json({"mean": row["score"]["value"], "standard_deviation": None})
        for name, row in utility["rows"].items()
    }
    of_use = {
        f"{_UTILITY}{name}": Measure(score, scores[REAL])
        for name, score in scores.items()
        if name in _OF_GENERATED
    }
    return measures | of_use


def _differences(
    config: ComparisonConfig, models: tuple[str, str], measured: Measured
) -> Iterator[tuple[str, PairedDifference]]:
    """The difference of two models in every measure that is known of two pairs at least."""
    pairs = [[measured[model, seed] for model in models] for seed in _complete(config, models, measured)]
    nothing = Measure(*[Spread(math.nan, math.nan)] * 2)
    for key in dict.fromkeys(key for pair in pairs for side in pair for key in side):
        first, second = ([pair[side].get(key, nothing) for pair in pairs] for side in range(2))
        difference = paired_difference(
            [measure.generated.mean for measure in first],
            [measure.generated.mean for measure in second],
            [measure.real.mean for measure in first],
            _title_and_direction(key)[1],
        )
        if difference:
            yield key, difference


def _complete(config: ComparisonConfig, models: tuple[str, str], measured: Measured) -> list[int]:
    """Seeds of the pairs of which both runs have been evaluated."""
    return [seed for seed in config.seeds if all((model, seed) in measured for model in models)]


def _lines(config: ComparisonConfig, differences: Differences) -> Iterator[str]:
    """The lines of the table."""
    yield (
        f"{len(config.seeds)} pairs, seeds {config.seeds[0]} to {config.seeds[-1]}; "
        f"{config.runs[0].training.schedule.images:,} images a run, {config.images:,} an evaluation."
    )
    for (first, second), rows in differences.items():
        yield f"\n## Model {second} less model {first}\n"
        if not rows:
            yield "Not two pairs have been evaluated yet."
            continue
        models = f"real | {first} | {second} | difference | detectable | {second} better"
        yield f"| measure | good | {models} | sign test |\n|{'---|' * 9}"
        yield from (_row(key, difference) for key, difference in rows.items())
    yield _EXPLANATION


def _row(key: str, found: PairedDifference) -> str:
    title, direction = _title_and_direction(key)
    between = found.difference
    value, low, high = map(format_number, (between.value, between.low, between.high))
    cells = (
        title,
        direction.value,
        format_number(found.real),
        str(found.first),
        str(found.second),
        f"{value} ({low} to {high})",
        format_number(found.detectable),
        f"{found.better} of {found.pairs}",
        format_number(found.sign_test, 2),
    )
    return f"| {' | '.join(cells)} |"


def _title_and_direction(key: str) -> tuple[str, Direction]:
    """What a measure is called in the table, and which of its values are good."""
    if key.startswith(_UTILITY):
        return f"Utility, {key.removeprefix(_UTILITY).replace('_', ' ')}", Direction.HIGHER
    return registry.full_title(key), registry.find(key)[0].direction


def _to_json(config: ComparisonConfig, measured: Measured, differences: Differences) -> dict[str, Any]:
    runs = [
        {
            "model": model,
            "seed": seed,
            "measures": {key: _finite(vars(measure.generated)) for key, measure in measures.items()},
        }
        for (model, seed), measures in measured.items()
    ]
    return {
        "format": "mrisynth comparison",
        "mrisynth": mrisynth.__version__,
        "models": config.models,
        "seeds": config.seeds,
        "images_trained": config.runs[0].training.schedule.images,
        "images_evaluated": config.images,
        "runs": runs,
        "differences": [
            {
                "first": first,
                "second": second,
                "measures": {key: dataclasses.asdict(found) for key, found in rows.items()},
            }
            for (first, second), rows in differences.items()
        ],
    }


def _finite(spread: Mapping[str, float]) -> dict[str, float | None]:
    """A spread as results.json has it: null for what is not a number."""
    return {name: value if math.isfinite(value) else None for name, value in spread.items()}
