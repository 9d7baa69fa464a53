"""The README and the pages of docs/: links lead somewhere, and commands have only flags that there are."""

import html
import importlib
import pathlib
import re
import shlex

import pytest
from absl import flags

from mrisynth.cli import app
from mrisynth.errors import UserError
from mrisynth.privacy.verdict import RULE
from mrisynth.report import render
from tests.programs import call
from tests.report.example_evaluations import make_evaluation

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = {
    "mrisynth.main": "train",
    "tools/prepare_data.py": "prepare",
    "tools/evaluate.py": "evaluate",
    "tools/export.py": "export",
    "tools/generate.py": "generate",
    "tools/query_serving.py": "query",
    "tools/benchmark.py": "benchmark",
    "tools/compare.py": "compare",
}


def commands(page):
    """The commands of a page that start one of our programs: (program, arguments)."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^ {4,}(.*)$|`([^`\n]+)`", text, re.M):
        words = shlex.split(line[0] or line[1], comments=True) if "'" not in "".join(line) else []
        for index, word in enumerate(words):
            name = PROGRAMS.get(word, word.removeprefix("mrisynth-"))
            if name in PROGRAMS.values() and (word in PROGRAMS or word.startswith("mrisynth-")):
                yield name, [each for each in words[index + 1 :] if each != "--help"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_command_has_only_flags_that_there_are():
    found = [(page.name, *command) for page in PAGES for command in commands(page)]
    assert {name for _, name, _ in found} == set(PROGRAMS.values())
    for page, name, arguments in found:
        values = flags.FlagValues()
        importlib.import_module(f"mrisynth.cli.{name}_flags").define(values)
        given = [re.sub(r"=\.\.\.$|=N$", "=1", argument) for argument in arguments]
        try:
            app.parse_flags(values, given)
        except UserError as error:
            raise AssertionError(f"{page}: {name} {' '.join(arguments)}") from error


def test_nothing_is_said_of_images_that_no_test_can_establish():
    """Whose an image is not cannot be tested: what is said is the verdict on copying."""
    program = [path for path in (ROOT / "mrisynth").rglob("*") if path.suffix in (".py", ".jinja")]
    for path in [*PAGES, *program, ROOT / "setup.py"]:
        words = " ".join(path.read_text(encoding="utf-8").split())
        found = re.search(r"(belongs? to (no|a|any) |of no |show(s|ing)? no )(patient|person)", words)
        assert not found, f"{path}: {found}"


def test_every_page_is_linked_from_the_readme():
    readme = PAGES[0].read_text(encoding="utf-8")
    assert all(f"](docs/{page.name})" in readme for page in PAGES[1:])


def test_the_rule_of_the_verdict_stands_in_the_same_words_wherever_it_stands():
    texts = {
        "page of the documentation": (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8"),
        "--help": call("tools/evaluate.py", "--help").stdout,
        "report": html.unescape(render(make_evaluation(size=16, samples=4, pairs=1))),
    }
    for where, text in texts.items():
        assert RULE in " ".join(text.split()), where
