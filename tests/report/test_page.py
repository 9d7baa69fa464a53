import base64
import dataclasses
import hashlib
import html.parser
import io
import re
from urllib.request import urlopen

import jinja2
import numpy as np
import pytest
from PIL import Image

from mrisynth.evaluation import fidelity, likeness
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Interval, Measure, Spread
from mrisynth.metrics.registry import Direction
from mrisynth.privacy import verdict
from mrisynth.privacy.copying import NotExamined
from mrisynth.privacy.verdict import (
    COPIES_FOUND,
    HARMFUL,
    INCONCLUSIVE,
    NO_SIGN,
    NOT_EXAMINED,
    OPEN,
    RULE,
    Thresholds,
)
from mrisynth.report import page, render, write_report
from tests.report.example_evaluations import REASONS, draw_heads, make_conditional, make_evaluation

SMALL = {"samples": 9, "pairs": 4}


class Elements(html.parser.HTMLParser):
    """The attributes of every element, the text, and the text of every table cell."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.rows, self.text, self._open, self._cell = [], [], "", [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        self._open.pop()
        self._cell = self._cell and tag not in ("td", "th")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self._open and self._open[-1] in ("style", "title"):
            return
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def parse(text):
    # html.parser does not know which elements are never closed.
    return Elements(re.sub(r"<(meta|link|img|br)\b([^>]*)>", r"<\1\2/>", text))


def numbers(text):
    text = text.replace("\N{MINUS SIGN}", "-").replace(",", "")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


@pytest.fixture(scope="module")
def rendered():
    return {words: render(make_evaluation(words, **SMALL)) for words in (NO_SIGN, INCONCLUSIVE, COPIES_FOUND)}


@pytest.mark.parametrize("words", [NO_SIGN, INCONCLUSIVE, COPIES_FOUND])
def test_the_verdict_comes_first_in_words_shape_and_color(words, rendered):
    text = parse(rendered[words]).text
    reasons = [text.index(reason) for reason in REASONS[words]]
    order = [
        "mrisynth 0.1.0",
        "Confidential",
        "What the verdict rests on",
        "The rule",
        "What it does not say",
    ]
    places = [
        text.lower().index(words),
        *map(text.index, order),
        text.index("Drawn at random"),
    ]
    assert places == sorted(places)
    assert places[3] < min(reasons) <= max(reasons) < places[4]
    assert text.index(RULE) > places[4]
    others = [rendered[other] for other in rendered if other != words]
    shape = re.search(r'<svg class="symbol".*?</svg>', rendered[words], re.DOTALL).group()
    assert all(shape not in other for other in others)


def test_where_copies_were_not_looked_for_the_page_says_so_and_is_not_green(rendered):
    evaluation = dataclasses.replace(make_evaluation(**SMALL), privacy=NotExamined())
    page = render(evaluation)
    text = parse(page).text
    assert text.index("Nothing can be said about copying") < text.index("What the verdict rests on")
    assert NOT_EXAMINED.reasons[0] in text
    assert 'class="verdict good"' in rendered[NO_SIGN]
    assert 'class="verdict good"' not in page
    for figures in (
        "Counted as copies",
        "The most suspicious pairs",
        "The rule",
        "Distances to the training",
    ):
        assert figures in rendered[NO_SIGN]
        assert figures not in page
    assert "as confidential as the scans" in text
    assert "a copy shows a patient all the same" in parse(render(evaluation, show_real=False)).text


def with_measure(evaluation, **measures):
    spreads = {key: Measure(*(Spread(value, 0.0) for value in values)) for key, values in measures.items()}
    return dataclasses.replace(evaluation, measures={**evaluation.measures, **spreads})


def test_images_that_are_unlike_the_data_get_a_sentence_and_no_green(rendered):
    page = render(with_measure(make_evaluation(**SMALL), frechet=(374.0, 3.8), precision=(0.0, 0.8)))
    text = parse(page).text
    said = "The images are not like the data: their Fréchet distance to the held-out slices is 374"
    assert text.index("No sign of copying") < text.index(said) < text.index("What the verdict rests on")
    assert likeness.RULE in text
    assert 'class="verdict good"' in rendered[NO_SIGN]
    assert 'class="verdict good"' not in page
    assert "like the data" not in parse(rendered[NO_SIGN]).text.partition("What the verdict rests on")[0]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_a_number_is_named_on_the_page_which_is_not_green(number):
    whole = make_evaluation(**SMALL)
    privacy, (distance, closeness) = whole.privacy, next(iter(whole.privacy.closeness.items()))
    interval = Interval(number, number, number)
    closeness = dataclasses.replace(
        closeness,
        heldout=np.full(9, number),
        nearer_auc=interval,
        closer_share=interval,
        expected_share=number,
    )
    spectrum = dataclasses.replace(whole.spectra["image"], generated=np.full(32, number))
    spoilt = dataclasses.replace(
        with_measure(whole, ms_ssim=(number, 0.3), **{"swd/16": (1.0, number)}),
        privacy=dataclasses.replace(privacy, closeness={**privacy.closeness, distance: closeness}),
        spectra={"image": spectrum},
    )
    page = render(spoilt)
    text = parse(page).text
    assert not re.search(r"\b(nan|inf)\b", re.sub('base64,[^"]*', "", page))
    for fault in spoilt.faults:
        assert text.index(fault) < text.index("What the verdict rests on")
    assert len(spoilt.faults) == 7
    assert 'class="verdict good"' not in page
    row = next(row for row in parse(page).rows if row[0] == "random pairs")
    assert row[1] == "not a number"
    assert text.count("Not drawn, since not everything in it is a number") == 2
    assert numbers(row[2])[0] == 0.3


def test_every_number_of_the_measures_is_in_the_table():
    evaluation = make_evaluation(**SMALL)
    rows = [row for row in parse(render(evaluation)).rows if len(row) == 6 and row[4][:1] in set("↓↑≈")]
    assert len(rows) == len(evaluation.measures)
    notes = {"ms_ssim": "3 of 5 scales: images of 64x64 have no more"}
    for (key, measure), cells in zip(evaluation.measures.items(), rows, strict=True):
        title, generated, real, ratio, direction, note = cells
        metric, row = registry.find(key)
        assert (title, note) == (row, notes.get(key, ""))
        assert metric.direction.value in direction
        for spread, cell in ((measure.generated, generated), (measure.real, real)):
            mean, deviation = numbers(cell)
            assert mean == pytest.approx(spread.mean, abs=0.1 * spread.standard_deviation)
            assert deviation == pytest.approx(spread.standard_deviation, rel=0.05)
        if metric.direction is Direction.LOWER and measure.real.mean and measure.generated.mean >= 0:
            assert numbers(ratio) == [pytest.approx(measure.generated.mean / measure.real.mean, rel=0.05)]
        else:
            assert ratio == ""


def test_halves_of_two_subjects_are_in_a_table_of_their_own_beside_real_images():
    page = parse(render(make_evaluation(**SMALL)))
    head = next(row for row in page.rows if "Left and right half of two subjects" in row)
    assert head[2::2] == ["Left and right half of two subjects", "Upper and lower half of two subjects"]
    row = next(row for row in page.rows if row[0] == "Sliced Wasserstein distance, 64x64")
    assert [numbers(cell)[0] for cell in row[1:]] == [6.08, 6.21, 1.0, 6.42, 1.1]
    without = dataclasses.replace(make_evaluation(**SMALL), joined_halves={})
    assert "Halves of two subjects" not in render(without)


@pytest.mark.parametrize("words", [NO_SIGN, INCONCLUSIVE, COPIES_FOUND])
def test_every_figure_of_the_verdict_is_in_the_table_with_interval_limit_and_finding(words, rendered):
    figures = list(make_evaluation(words, **SMALL).privacy.verdict.figures)
    rows = [row for row in parse(rendered[words]).rows if len(row) in (4, 5) and "%" in row[1]]
    for name, expected, limit, *cells in rows:
        of_name = [figure for figure in figures if name.lower().startswith(figure.name)]
        for cell, figure in zip(cells, of_name, strict=True):
            figures.remove(figure)
            interval = figure.interval
            found = numbers(" ".join([cell, expected, limit]))
            wanted = [interval.value, interval.low, interval.high, figure.expected, figure.limit]
            assert found == pytest.approx([100 * number for number in wanted], rel=0.05, abs=0.01)
            assert cell.split()[-1] == figure.finding
    assert figures == []
    said = {finding for finding in (HARMFUL, OPEN) for row in rows for cell in row[3:] if finding in cell}
    assert (HARMFUL in said) == (words == COPIES_FOUND)
    assert bool(said) == (words != NO_SIGN)


def test_every_figure_of_the_verdict_is_explained():
    names = {getattr(verdict, name) for name in ("COPIES", "MEMBERSHIP", "CLOSER", "NEARER", "AUTHENTICITY")}
    assert page._EXPLANATIONS.keys() == names


@pytest.mark.parametrize(("words", "show_real"), [(NO_SIGN, True), (COPIES_FOUND, False)])
def test_phantoms_are_no_patients(words, show_real):
    evaluation = make_evaluation(words, kind="phantoms", **SMALL)
    text = parse(render(evaluation, show_real)).text
    assert "No patient is on this page" in text
    assert "65 phantoms to train on (2,069 slices), 18 phantoms held out (561 slices)" in text
    if show_real:
        assert "Phantoms the model was trained on: the first of them, larger" in text
    for confidential in ("Confidential", "as confidential", "real scan", "shows a patient"):
        assert confidential not in text
    # What an unknown model was trained on may be patients all the same.
    unknown = parse(render(dataclasses.replace(evaluation, privacy=NotExamined()), show_real)).text
    assert "No patient is on this page" not in unknown
    assert "Treat images and model as confidential" in unknown


def test_pairs_stand_in_the_order_of_the_one_number_that_is_shown(rendered):
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    section = parse(rendered[COPIES_FOUND]).text.partition("The most suspicious pairs")[2]
    shown = re.findall(r"(0\.\d+) by (gray values|features)( ✕ counts as a copy)?", section)
    assert [float(number) for number, *_ in shown] == sorted(float(number) for number, *_ in shown)
    assert len(shown) == len(evaluation.privacy.closest_pairs)
    for (number, _, copy), pair in zip(shown, evaluation.privacy.closest_pairs, strict=True):
        assert float(number) == pytest.approx(pair.ratio, rel=0.01)
        assert bool(copy) == pair.copy
    assert "Below 0.31 it counts as a copy" in section


def test_counts_settings_versions_and_pairs_are_there():
    evaluation = make_evaluation(COPIES_FOUND, short=True, **SMALL)
    text = parse(render(evaluation)).text
    for values in (
        evaluation.environment,
        evaluation.generator,
        evaluation.data,
        dataclasses.asdict(evaluation.privacy.thresholds),
    ):
        for name, value in values.items():
            assert name.replace("_", " ").replace("heldout", "held-out") in text
            assert {str: "{}", int: "{:,}", float: "{:g}"}[type(value)].format(value) in text
    assert (
        "Counted as copies: 3 of 2,000 generated images, and 0 of 2,563 slices of subjects that are" in text
    )
    assert text.count("✕ counts as a copy") == 3
    assert "Short form" in text
    assert "mirrored, moved 2\N{NO-BREAK SPACE}px down, 1\N{NO-BREAK SPACE}px left" in text
    assert "Short form" not in parse(render(make_evaluation(**SMALL))).text


def test_what_was_not_looked_for_can_escape():
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    privacy = evaluation.privacy
    text = parse(render(evaluation)).text
    count = privacy.copies
    assert f"Generated ones are {count} by gray values, 0 by features, {count} by learned embedding" in text
    assert "A detail of a subject within an otherwise new image is found where" in text
    assert "Larger enlargements and smooth warps hide more." in text
    short = {name: privacy.copies_by[name] for name in ("gray_values", "features")}
    short = dataclasses.replace(evaluation, privacy=dataclasses.replace(privacy, copies_by=short))
    text = parse(render(short)).text
    assert "A detail of a subject within an otherwise new image can escape" in text
    assert "enlarged by more than 5 %" in text


def test_text_is_escaped():
    evil = "<script>alert('x')</script>"
    evaluation = make_evaluation(**SMALL)
    evaluation = dataclasses.replace(
        evaluation,
        features=evil,
        generator={evil: evil},
        environment={evil: '"><img src=x>'},
    )
    found = parse(render(evaluation))
    assert found.of("script") == []
    assert all(attributes["src"] != "x" for attributes in found.of("img"))
    assert found.text.count(evil) == 4


@pytest.mark.parametrize("show_real", [True, False])
def test_the_page_needs_nothing_else(show_real):
    text = render(make_evaluation(COPIES_FOUND, **SMALL), show_real)
    found = parse(text)
    for _, attributes in found.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            target = attributes.get(name, "data:")
            assert target.startswith("data:") or f'id="{target[1:]}"' in text
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    assert found.of("script") == []


def test_images_are_whole_and_described(rendered):
    found = parse(rendered[NO_SIGN])
    assert found.of("html")[0]["lang"] == "en"
    assert NO_SIGN in re.search("<title>(.*)</title>", rendered[NO_SIGN]).group(1)
    pictures = found.of("img")
    # Two sheets, twice four larger ones, four pairs, the interpolation, two distances and the spectrum.
    assert len(pictures) == 2 + 8 + 4 + 1 + 2 * 2 + 2
    for attributes in pictures:
        assert len(attributes["alt"]) > 20
        kind, _, encoded = attributes["src"].partition(";base64,")
        contents = base64.b64decode(encoded, validate=True)
        if kind == "data:image/png":
            image = Image.open(io.BytesIO(contents))
            assert image.mode == "L"
            assert image.size == (int(attributes["width"]), int(attributes["height"]))
        else:
            assert kind == "data:image/svg+xml"
            assert b"<svg" in contents


def test_without_real_images_the_page_does_not_depend_on_a_single_real_pixel():
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    pairs = tuple(
        dataclasses.replace(pair, training=draw_heads(1, 64, 999)[0])
        for pair in evaluation.privacy.closest_pairs
    )
    changed = dataclasses.replace(
        evaluation,
        real=255 - evaluation.real,
        privacy=dataclasses.replace(evaluation.privacy, closest_pairs=pairs),
    )
    hidden = render(evaluation, show_real=False)
    assert hidden == render(changed, show_real=False)
    assert render(evaluation) != render(changed)
    assert len(parse(hidden).of("img")) == 1 + 4 + 4 + 1 + 2 * 2 + 2


def test_the_page_says_how_confidential_it_is(rendered):
    assert "is as confidential as the scans" in parse(rendered[NO_SIGN]).text
    for words, warned in ((NO_SIGN, False), (INCONCLUSIVE, True), (COPIES_FOUND, True)):
        text = parse(render(make_evaluation(words, **SMALL), show_real=False)).text
        assert "No slice of a real scan is on this page" in text
        assert "Confidential" not in text
        assert ("treat the page as confidential" in text) == warned


def test_the_page_stays_small_at_full_size():
    assert len(render(make_evaluation(size=256))) < 4e6


def test_few_or_no_images_will_do():
    evaluation = make_evaluation(samples=1, pairs=0)
    nothing = np.zeros((0, 4, 64, 64, 1), np.uint8)
    text = render(dataclasses.replace(evaluation, real=nothing[:, 0], interpolation=nothing))
    assert len(parse(text).of("img")) == 1 + 1 + 2 * 2 + 2
    assert "No generated image comes closer to a training slice" in parse(text).text


def test_a_template_that_asks_for_what_is_not_there_fails():
    with pytest.raises(jinja2.UndefinedError, match="unheard"):
        page._environment().from_string("{{ evaluation.unheard }}").render(
            evaluation=make_evaluation(**SMALL)
        )


def test_the_report_is_written_whole_and_the_same_every_time(tmp_path):
    evaluation = make_evaluation(**SMALL)
    for name in ("a.html", "b.html"):
        checksum = write_report(evaluation, tmp_path / name)
        assert checksum == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.html", "b.html"]


@pytest.mark.parametrize(("limit", "look"), [(0.99, "open"), (0.6, "good")])
def test_by_looser_limits_the_page_is_not_green_and_other_limits_are_named(limit, look):
    evaluation = make_evaluation(NO_SIGN, **SMALL)
    limits = Thresholds(max_membership_auc=limit)
    privacy = dataclasses.replace(evaluation.privacy, thresholds=limits)
    shown = render(dataclasses.replace(evaluation, privacy=privacy))
    assert f'class="verdict {look}"' in shown
    assert f"other limits than mrisynth's: max_membership_auc {limit:g} (not 0.7)." in parse(shown).text
    privacy = dataclasses.replace(privacy, thresholds=Thresholds())
    assert "other limits than" not in render(dataclasses.replace(evaluation, privacy=privacy))


def test_what_networks_reach_stands_in_a_table_with_how_it_was_measured(rendered):
    page = parse(rendered[NO_SIGN])
    assert "A small U-Net for images of 64x64 was trained on each set 3 times" in page.text
    row = ["Generated, as many", "2,093", "0.524 (0.400 to 0.620)", "80.0 % (70.0 to 90.0)"]
    assert row in page.rows
    without = render(make_evaluation(short=True, **SMALL))
    assert "Of what use the images are" not in without


def test_channels_are_named_in_the_order_that_they_stand_in():
    plain = make_evaluation(NO_SIGN, samples=16, pairs=4)
    assert "stand side by side" not in render(plain)
    spectra = {name: plain.spectra["image"] for name in ("FLAIR", "lesion mask")}
    beside = {name: np.repeat(getattr(plain, name), 2, axis=-1) for name in ("samples", "real")}
    text = render(dataclasses.replace(plain, spectra=spectra, **beside))
    assert "The channels of every image stand side by side: FLAIR, lesion mask." in text
    assert "16 generated images in 3 columns" in text


def test_of_a_pair_every_channel_is_a_row():
    pair = make_evaluation(COPIES_FOUND, **SMALL).privacy.closest_pairs[0]
    both = dataclasses.replace(
        pair,
        generated=np.concatenate([pair.generated, 0 * pair.generated], axis=-1),
        training=np.concatenate([pair.training, 0 * pair.training], axis=-1),
    )
    for show_real, columns in ((True, 3), (False, 1)):
        one, two = (page._pair_picture(each, show_real) for each in (pair, both))
        assert (two.width, two.height - 2) == (one.width, 2 * one.height)
        shown, stacked = (np.asarray(Image.open(io.BytesIO(urlopen(each.uri).read()))) for each in (one, two))
        np.testing.assert_array_equal(stacked[: one.height], shown)
        cell = one.height
        assert (stacked[one.height + 2 :, : cell * min(columns, 2)] <= 40).all()


def test_what_was_asked_for_stands_beside_what_came(rendered):
    evaluation = make_conditional(**SMALL)
    page = parse(render(evaluation))
    assert evaluation.fidelity.summary in page.text
    assert fidelity.RULE in page.text
    rows = {row[0]: row[1:] for row in page.rows}
    for row in evaluation.fidelity.shown:
        generated, real, ratio, learned, chance, finding = rows[row.title]
        assert finding == row.finding
        for cell, values in (
            (generated, [row.generated]),
            (real, vars(row.real).values()),
            (ratio, vars(row.ratio).values() if row.ratio else []),
            (learned, [] if row.learned is None else [row.learned]),
            (chance, [row.chance]),
        ):
            assert numbers(cell) == [pytest.approx(value, rel=0.01) for value in values]
    assert rows["Moved"] == ["participant/age", "suffix"]
    assert rows["suffix"] == ["3.1 %", ""]
    assert rows["participant/age"] == ["", "12 %"]
    # Copies by what was asked for, and nothing of few subjects.
    assert ["FLAIR", "41", "1,900", "2", "1.1 %", "2.3 %"] in page.rows
    assert ["T1w", "fewer than 10", "100", "too few subjects to say anything"] in page.rows
    for title in ("What was asked for, what came", "By what was asked for"):
        assert title in page.text
        assert title not in rendered[NO_SIGN]
