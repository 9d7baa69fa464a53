"""How the package is put together: imports point one way, and every module has its tests."""

import ast
import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]

ORDER = (
    ("atomic_io", "errors", "keras_backend"),
    (
        "checksums",
        "choices",
        "cores",
        "export_folder",
        "locking",
        "run_folder",
        "screen",
        "signals",
        "tensorflow_paths",
    ),
    ("image_io",),
    ("layers", "metrics", "phantoms"),
    ("data",),
    ("networks",),
    ("training",),
    ("privacy",),
    ("sampling", "utility"),
    ("evaluation",),
    ("report",),
    ("release",),
    ("export",),
    ("serving", "dry_run"),
    ("benchmarks", "comparison"),
    ("cli",),
    ("main",),
)
"""Packages and modules of the top level, the lowest first; each imports only what stands above its line."""

DATA_ORDER = (
    ("labels", "samples"),
    ("finding", "reading"),
    ("config",),
    ("storing",),
    ("conditions", "preparing"),
)
"""Packages and modules of `data`, in the same way."""


def ranks_of(order, package):
    """The place in the order of every package and module in it, by full names."""
    return {f"{package}.{name}": rank for rank, names in enumerate(order) for name in names}


RANKS = ranks_of(ORDER, "mrisynth")
DATA_RANKS = ranks_of(DATA_ORDER, "mrisynth.data")


@functools.cache
def modules():
    """Every module's name and its syntax tree, packages by their own names."""
    found = {}
    for path in sorted((ROOT / "mrisynth").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@functools.cache
def imports():
    """What every module imports of the package, inside of functions, too: sets of names of modules."""
    known = modules()

    def targets(node):
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            return [name if name in known else node.module for name in names]
        return []

    return {
        name: {target for node in ast.walk(tree) for target in targets(node) if target in known} - {name}
        for name, tree in known.items()
    }


def room(module, depth=1):
    """The package that a module belongs to, or the module itself, at a depth below the top level."""
    return ".".join(module.split(".")[: depth + 1])


@pytest.mark.parametrize(
    ("package", "ranks", "words"),
    [("mrisynth", RANKS, "holds the order:"), ("mrisynth.data", DATA_RANKS, "Inside of `data/` it is")],
)
class TestOrder:
    """The order of what is in a package, which the page on architecture gives behind some words."""

    def test_everything_has_its_place(self, package, ranks, words):
        depth = package.count(".") + 1
        assert {room(name, depth) for name in modules() if name.startswith(f"{package}.")} == set(ranks)

    def test_the_page_on_architecture_gives_it(self, package, ranks, words):
        page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        sentence = re.search(rf"{words}(.*?)\.\s", page, re.S)[1]
        names = [f"{package}.{word}" for word in re.findall(r"\w+", sentence)]
        places = [ranks[name] for name in names if name in ranks]
        assert places == sorted(places)
        assert {name for name in ranks if is_package(name)} <= set(names)

    def test_imports_point_one_way(self, package, ranks, words):
        depth = package.count(".") + 1
        arrows = {
            (room(name, depth), room(target, depth)): f"{name} imports {target}"
            for name, targets in imports().items()
            for target in targets
        }
        wrong = [
            words
            for (higher, lower), words in arrows.items()
            if {higher, lower} <= set(ranks) and higher != lower and ranks[lower] >= ranks[higher]
        ]
        assert wrong == []


def test_no_modules_import_one_another():
    """Packages' own files are left out: they list names for users."""
    graph = {
        name: {target for target in targets if not is_package(target)}
        for name, targets in imports().items()
        if not is_package(name)
    }
    done, path = set(), []

    def visit(name):
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name in done:
            return
        path.append(name)
        for target in sorted(graph[name]):
            visit(target)
        done.add(path.pop())

    for name in graph:
        visit(name)


def is_package(name):
    return (ROOT / name.replace(".", "/")).is_dir()


def test_modules_do_not_import_through_their_own_package():
    for name, targets in imports().items():
        assert not any(name.startswith(f"{target}.") for target in targets - {"mrisynth"}), name


def test_only_the_programs_read_flags():
    for name, tree in modules().items():
        if room(name) in ("mrisynth.cli", "mrisynth.main"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                assert not any(each.split(".")[0] == "absl" for each in imported), name


def test_one_place_decides_how_progress_is_shown():
    """Without a terminal, bars of another kind would fill log files."""
    importers = set()
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                importers |= {name for each in imported if each.split(".")[0] == "tqdm"}
    assert importers == {"mrisynth.screen"}


@pytest.mark.parametrize("folder", sorted(RANKS))
def test_every_module_has_tests_in_a_file_of_its_name(folder):
    there = {name for name in modules() if room(name) == folder and not is_package(name)}
    assert {name for name in there if not file_of_tests(name).is_file()} == set()


def file_of_tests(module):
    *folders, name = module.split(".")[1:]
    return ROOT.joinpath("tests", *folders, f"test_{name}.py")
