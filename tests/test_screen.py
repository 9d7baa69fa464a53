import contextlib
import io
import types

import pytest

from mrisynth import screen


class Terminal(io.StringIO):
    def isatty(self):
        return True


def in_terminal():
    """A context with a terminal in the place of standard error, which it gives."""
    return contextlib.redirect_stderr(Terminal())


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets, a list of one number; the last line is of time 0."""
    now = [0.0]
    monkeypatch.setattr(screen, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(screen, "_last_line", 0.0)
    return now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (3.21, "3.2 s"),
        (89, "89 s"),
        (90, "1.5 minutes"),
        (3600, "60 minutes"),
        (3 * 3600, "3.0 hours"),
        (47 * 3600, "47 hours"),
        (12 * 86_400, "12 days"),
        (14 * 30.4 * 86_400, "14 months"),
        (3 * 365.25 * 86_400, "3.0 years"),
    ],
)
def test_durations_read_as_a_person_says_them(seconds, text):
    assert screen.duration(seconds) == text


class TestWithoutATerminal:
    def test_a_bar_is_a_plain_line_a_minute(self, clock, capsys):
        with screen.Bar("  reading", 1000, unit="images") as bar:
            for second in range(1, 121):
                clock[0] = float(second)
                bar.update(5)
        first, second = capsys.readouterr().err.splitlines()
        # 300 of 1000 after a minute: the other 700 take 140 s.
        assert first == "reading: 300 of 1,000 images, 2.3 minutes left"
        assert second.startswith("reading: 600 of 1,000 images, 80 s left")

    def test_short_bars_share_the_minute(self, clock, capsys):
        for number in range(30):
            for _ in screen.counted(range(10), f"bar {number}"):
                clock[0] += 1
        assert len(capsys.readouterr().err.splitlines()) == 5

    def test_a_line_has_the_note_and_details_which_are_computed_only_for_it(self, clock, capsys):
        computed = []

        def details():
            computed.append(clock[0])
            return "loss 3"

        bar = screen.Bar("training", 10)
        bar.note("about 5 s left")
        for time, note in ((30, ""), (61, ""), (80, "4 s left"), (121, "")):
            clock[0] = float(time)
            bar.update(1, note, details)
        bar.close()
        assert computed == [61, 121]
        assert capsys.readouterr().err.splitlines() == [
            "training: 2 of 10, loss 3, about 5 s left",
            "training: 4 of 10, loss 3, 4 s left",
        ]

    def test_what_is_done_already_does_not_make_the_rest_faster(self, clock, capsys):
        bar = screen.Bar("drawing", 1000, done=900)
        clock[0] = 60.0
        bar.update(50)
        assert capsys.readouterr().err == "drawing: 950 of 1,000, 60 s left\n"

    def test_lines_of_several_programs_are_one(self, clock, capsys):
        status = screen.Status(2)
        for time in (30.0, 60.0, 90.0):
            clock[0] = time
            status.show(["a: 32x32", f"{time:.0f} of 100 done"])
        status.close()
        assert capsys.readouterr().err == "a: 32x32; 60 of 100 done\n"

    def test_what_is_not_to_be_shown_is_not(self, clock, capsys):
        with screen.Bar("reading", 2, shown=False) as bar:
            clock[0] = 100.0
            bar.update()
        assert capsys.readouterr().err == ""

    def test_what_works_behind_a_bar_shows_none_of_its_own(self, clock, capsys):
        clock[0] = 100.0
        with screen.Bar("outer", 2) as outer:
            for _ in screen.counted(range(3), "inner"):
                clock[0] += 100.0
            assert capsys.readouterr().err == ""
            outer.update()
        assert capsys.readouterr().err.startswith("outer: 1 of 2")
        for _ in screen.counted(range(1), "next"):
            clock[0] += 100.0
        assert capsys.readouterr().err == "next: 1 of 1, 0 s left\n"

    def test_a_bar_that_nobody_closed_hides_no_other(self, clock, capsys):
        clock[0] = 100.0
        screen.Bar("forgotten", 2)
        with screen.Bar("reading", 2) as bar:
            bar.update()
        assert capsys.readouterr().err.startswith("reading: 1 of 2")


class TestInATerminal:
    def test_a_bar_is_drawn_and_taken_away(self):
        with in_terminal() as terminal, screen.Bar("reading", 10, unit="images") as bar:
            bar.update(10)
        assert "reading:   0%" in terminal.getvalue()
        assert terminal.getvalue().endswith("\r")

    def test_a_bar_that_stays_has_its_note(self):
        with (
            in_terminal() as terminal,
            screen.Bar("4x4", 10, stays=True, layout="{desc} |{bar}| {n_fmt}/{total_fmt}{postfix}") as bar,
        ):
            bar.update(10, "5 s left", details=lambda: pytest.fail("details are for lines"))
        last = terminal.getvalue().split("\r")[-1]
        assert last.startswith("4x4 |")
        assert last.endswith("10/10, 5 s left\n")

    def test_every_line_of_a_status_has_its_place(self):
        with in_terminal() as terminal:
            status = screen.Status(2)
            status.show(["a: 32x32", "1 of 2 done"])
            status.close()
        assert "a: 32x32" in terminal.getvalue()
        assert "1 of 2 done" in terminal.getvalue()

    def test_what_is_said_stands_alone(self):
        with in_terminal() as terminal:
            screen.say("skipped a scan")
        assert terminal.getvalue() == "skipped a scan\n"
