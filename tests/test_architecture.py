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
        "signals",
        "tensorflow_paths",
    ),
    ("image_io",),
    ("layers", "metrics", "phantoms"),
    ("data",),
    ("networks",),
    ("training",),
    ("privacy",),
    ("sampling",),
    ("evaluation",),
    ("report",),
    ("export",),
    ("release", "serving", "dry_run"),
    ("benchmarks",),
    ("cli",),
    ("main",),
)
"""Packages and modules of the top level, the lowest first; each imports only what stands above its line."""

RANKS = {name: rank for rank, names in enumerate(ORDER) for name in names}


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


def room(module):
    """The package, or the module of the top level, that a module belongs to."""
    return [*module.split("."), "mrisynth"][1]


def test_every_package_has_its_place_in_the_order():
    assert {room(name) for name in modules()} - {"mrisynth"} == set(RANKS)


def test_the_page_on_architecture_gives_the_same_order():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    sentence = re.search(r"holds the order:(.*?)\.\s", page, re.S)[1]
    ranks = [RANKS[word] for word in re.findall(r"\w+", sentence) if word in RANKS]
    assert ranks == sorted(ranks)
    folders = {name for name in RANKS if (ROOT / "mrisynth" / name).is_dir()}
    assert folders <= set(re.findall(r"\w+", sentence))


def test_imports_between_packages_point_one_way():
    arrows = {
        (name, target)
        for name, targets in imports().items()
        for target in targets
        if room(name) != room(target) and "mrisynth" not in (name, target)
    }
    assert {arrow for arrow in arrows if RANKS[room(arrow[1])] >= RANKS[room(arrow[0])]} == set()


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
        assert name.rpartition(".")[0] not in targets - {"mrisynth"}, name


def test_only_the_programs_read_flags():
    for name, tree in modules().items():
        if room(name) in ("cli", "main"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                assert not any(each.split(".")[0] == "absl" for each in imported), name


@pytest.mark.parametrize("folder", sorted({room(name) for name in modules()} - {"mrisynth"}))
def test_every_module_has_tests_in_a_file_of_its_name(folder):
    there = {name for name in modules() if room(name) == folder and not is_package(name)}
    assert {name for name in there if not file_of_tests(name).is_file()} == set()


def file_of_tests(module):
    *folders, name = module.split(".")[1:]
    return ROOT.joinpath("tests", *folders, f"test_{name}.py")
