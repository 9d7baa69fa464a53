import pytest

from mrisynth.errors import UserError
from mrisynth.training import GrowthSchedule

PAPER = GrowthSchedule()
PAPER_C = GrowthSchedule(finetune_iterations=375_000)

# resolution, kind, batch, first iteration, iterations ([ABS]; iterations are ceil(600,000 / batch)).
PAPER_TABLE = [
    (4, "stable", 128, 0, 4_688),
    (8, "fade", 128, 4_688, 4_688),
    (8, "stable", 128, 9_376, 4_688),
    (16, "fade", 128, 14_064, 4_688),
    (16, "stable", 128, 18_752, 4_688),
    (32, "fade", 64, 23_440, 9_375),
    (32, "stable", 64, 32_815, 9_375),
    (64, "fade", 32, 42_190, 18_750),
    (64, "stable", 32, 60_940, 18_750),
    (128, "fade", 16, 79_690, 37_500),
    (128, "stable", 16, 117_190, 37_500),
    (256, "fade", 8, 154_690, 75_000),
    (256, "stable", 8, 229_690, 637_310),
]


def table(schedule):
    return [(p.resolution, p.kind, p.batch_size, p.first_iteration, p.iterations) for p in schedule.phases]


def test_the_abstracts_schedule():
    assert table(PAPER) == PAPER_TABLE
    assert PAPER.iterations == 867_000
    assert PAPER.images == 12_298_800
    assert {p.learning_rate for p in PAPER.phases} == {1e-3}


def test_model_c_goes_on_at_a_reduced_rate():
    assert table(PAPER_C) == [*PAPER_TABLE, (256, "finetune", 8, 867_000, 375_000)]
    assert PAPER_C.iterations == 1_242_000
    assert PAPER_C.images - PAPER.images == 3_000_000
    assert PAPER_C.phases[-1].learning_rate == 1e-4
    assert not PAPER_C.phases[-1].resets_optimizers
    assert all(phase.resets_optimizers for phase in PAPER_C.phases[:-1])


@pytest.mark.parametrize(
    ("image", "resolution", "alpha", "batch", "rate"),
    [
        (0, 4, 1.0, 128, 1e-3),
        (600_063, 4, 1.0, 128, 1e-3),
        (600_064, 8, 0.0, 128, 1e-3),
        (600_064 + 300_032, 8, 300_032 / 600_000, 128, 1e-3),
        (1_200_127, 8, 599_936 / 600_000, 128, 1e-3),
        (1_200_128, 8, 1.0, 128, 1e-3),
        (3_000_320, 32, 0.0, 64, 1e-3),
        (6_600_320 + 300_000, 256, 0.5, 8, 1e-3),
        (12_298_799, 256, 1.0, 8, 1e-3),
        (12_298_800, 256, 1.0, 8, 1e-4),
    ],
)
def test_position_by_image(image, resolution, alpha, batch, rate):
    position = PAPER_C.at_image(image)
    assert position.phase.resolution == resolution
    assert position.alpha == pytest.approx(alpha)
    assert position.phase.batch_size == batch
    assert position.phase.learning_rate == rate
    assert position.image <= image < position.image + batch


def test_alpha_rises_linearly_with_images():
    fade = PAPER.phases[5]
    alphas = [PAPER.at_iteration(fade.first_iteration + i).alpha for i in (0, 1, 5_000, 9_374)]
    assert alphas == pytest.approx([0, 64 / 600_000, 320_000 / 600_000, 599_936 / 600_000])


def test_the_end_of_the_run():
    position = PAPER.at_iteration(867_000)
    assert position.image == PAPER.images
    with pytest.raises(ValueError, match="outside the run"):
        PAPER.at_iteration(867_001)
    with pytest.raises(ValueError, match="outside the run"):
        PAPER.at_image(PAPER.images)


def test_last_resolution_is_like_the_others_without_a_total():
    schedule = GrowthSchedule(
        resolution=8, fade_images=30, stable_images=25, total_iterations=0, batch_sizes={4: 10, 8: 4}
    )
    expected = [(4, "stable", 10, 0, 3), (8, "fade", 4, 3, 8), (8, "stable", 4, 11, 7)]
    assert table(schedule) == expected
    assert [p.first_image for p in schedule.phases] == [0, 30, 62]
    # Eight batches of four are two images more than the fade: alpha stays within 1.
    assert schedule.at_iteration(10).alpha == pytest.approx(28 / 30)


def test_a_schedule_that_starts_higher_leaves_out_what_is_below():
    """Nothing is there yet that its first resolution could fade in over."""
    schedule = GrowthSchedule(
        resolution=16,
        fade_images=30,
        stable_images=25,
        total_iterations=0,
        batch_sizes={8: 10, 16: 4},
        start_resolution=8,
    )
    assert table(schedule) == [(8, "stable", 10, 0, 3), (16, "fade", 4, 3, 8), (16, "stable", 4, 11, 7)]
    assert schedule.at_iteration(0).alpha == 1
    assert schedule.used_batch_sizes == {8: 10, 16: 4}
    assert schedule.images == 30 + 32 + 28
    whole = GrowthSchedule(resolution=16, start_resolution=16, total_iterations=50, finetune_iterations=5)
    assert table(whole) == [(16, "stable", 128, 0, 50), (16, "finetune", 128, 50, 5)]


@pytest.mark.parametrize("start", [32, 128])
def test_labels_gain_weight_in_a_schedule_that_starts_higher(start):
    """From 32x32: until the end of 64x64, by hand 3 phases of 600k images; from 128x128: the middle third."""
    schedule = GrowthSchedule(resolution=256, start_resolution=start)
    ends = {32: (0, 1_800_000), 128: (schedule.images // 3, 2 * schedule.images // 3)}[start]
    weights = [schedule.label_weight(image) for image in (ends[0], sum(ends) // 2, ends[1])]
    assert weights == pytest.approx([0, 0.5, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_resolution": 6}, "--start_resolution=6 is no size .* use 4, 8, 16, 32, 64, 128, 256"),
        ({"resolution": 8, "start_resolution": 16}, "--resolution=8; use 4, 8$"),
        ({"total_iterations": 154_690}, "--total_iterations=154690 ends before 256x256"),
        ({"total_iterations": -1}, "--total_iterations"),
        ({"fade_images": 0}, "--fade_images=0"),
        ({"stable_images": -5}, "--stable_images"),
        ({"learning_rate": 0.0}, "--learning_rate"),
        ({"finetune_iterations": -1}, "--finetune_iterations"),
        ({"batch_sizes": {4: 8}}, "--batch_sizes has no batch for 8x8"),
    ],
)
def test_nonsense_names_the_flag(arguments, message):
    with pytest.raises(UserError, match=message):
        GrowthSchedule(**arguments)


def test_labels_gain_weight_over_the_images_of_16_to_64():
    """By hand: 5 phases of 600k images come before 16x16 fades in, the last of 64x64 ends after 6 more."""
    schedule = GrowthSchedule(resolution=256)
    first = next(phase for phase in schedule.phases if phase.resolution == 16).first_image
    last = next(phase for phase in schedule.phases if phase.resolution == 128).first_image
    assert [schedule.label_weight(image) for image in (0, first, (first + last) // 2, last, last + 1)] == [
        *(0.0, 0.0),
        *(0.5, 1.0, 1.0),
    ]


def test_labels_gain_weight_in_the_middle_of_a_short_schedule():
    schedule = GrowthSchedule(resolution=32, fade_images=3000, stable_images=3000, total_iterations=0)
    third = schedule.images // 3
    assert schedule.label_weight(third) == 0
    assert schedule.label_weight(schedule.images // 2) == pytest.approx(0.5, abs=1e-3)
    assert schedule.label_weight(schedule.images) == 1
