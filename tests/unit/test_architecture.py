"""The house: docs/architecture.md, the contract that import-linter holds, and the code agree."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skymosaic
from skymosaic import versions
from skymosaic.config import Campaign

PACKAGE = Path(skymosaic.__file__).parent
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
FACES = {"__init__", "__main__"}


def rooms_on_disk() -> set[str]:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - FACES


def layers_of_contract() -> list[set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [contract] = project["tool"]["importlinter"]["contracts"]
    return [set(layer.split(" | ")) for layer in contract["layers"]]


def test_the_contract_has_each_room_once() -> None:
    layers = layers_of_contract()
    assert sorted(room for layer in layers for room in layer) == sorted(rooms_on_disk())


def test_the_table_of_rooms_is_the_contract() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)(?:/|\.py)` \| .+ \|$", TEXT, re.M)
    rooms: dict[int, set[str]] = {}
    for layer, room in rows:
        rooms.setdefault(int(layer), set()).add(room)
    assert [rooms[layer] for layer in sorted(rooms)] == layers_of_contract()


def test_few_modules_lie_at_the_root() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 6
    assert len(list(PACKAGE.glob("*/__init__.py"))) <= 20


def test_nothing_in_the_package_imports_its_face() -> None:
    rooms = rooms_on_disk()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "skymosaic":
                assert {one.name for one in node.names} <= rooms, path
            if isinstance(node, ast.Import):
                assert "skymosaic" not in {one.name for one in node.names}, path


def test_the_face_tells_the_version() -> None:
    assert skymosaic.__version__ == versions.__version__ == versions.versions()["skymosaic"]


def test_each_module_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_0-9/]+\.py)", TEXT))
    assert len(named) > 25
    missing = [name for name in named if not (PACKAGE / name).exists()]
    assert [name for name in missing if not (ROOT / name).exists()] == []


def test_each_function_on_the_way_of_a_campaign_is_there() -> None:
    named = re.findall(r"`([a-z_/]+\.py): (\w+)`", TEXT)
    assert len(named) > 8
    for module, function in named:
        tree = ast.parse((PACKAGE / module).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_identifiers_are_nouns_of_the_field() -> None:
    # `told`, `made`, `asked`, `where` say nothing of what a value is.
    vague = {"told", "made", "asked", "where"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = {
                ast.Name: lambda node: node.id,
                ast.arg: lambda node: node.arg,
                ast.FunctionDef: lambda node: node.name,
                ast.AnnAssign: lambda node: getattr(node.target, "id", ""),
            }.get(type(node), lambda node: "")(node)
            if vague & set(name.split("_")):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {name}")
    assert found == []


def test_what_benchmarks_and_scripts_import_is_there() -> None:
    # mypy looks at the package and the tests of its types alone.
    files = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "docker").rglob("*.py")]
    assert len(files) > 5
    missing = []
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skymosaic"):
                module = importlib.import_module(node.module or "")
                for one in node.names:
                    if not hasattr(module, one.name) and not _is_module(node.module, one.name):
                        missing.append(f"{path.name}: {node.module}.{one.name}")
    assert missing == []


def _is_module(package: str | None, name: str) -> bool:
    return importlib.util.find_spec(f"{package}.{name}") is not None


def names_by_module() -> dict[str, set[str]]:
    """Return what stands at the top of each module, by its name; of several, of all together."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        names = found.setdefault(path.parent.name if path.stem == "__init__" else path.stem, set())
        if path.stem == "__init__":
            names |= {one.stem for one in path.parent.glob("*.py")}
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_what_texts_in_the_code_refer_to_is_there() -> None:
    names = names_by_module()
    # Sections of the campaign file are modules too: `sky.static` is a key of it.
    sections = {*Campaign.model_fields, *(path.stem for path in PACKAGE.glob("config/*.py"))}
    seen, missing = 0, []
    for path in PACKAGE.rglob("*.py"):
        for module, name in re.findall(r"(?<!`)`(\w+)\.(\w+)`(?!`)", path.read_text()):
            if module in names and module not in sections and name != "py":
                seen += 1
                missing += [] if name in names[module] else [f"{path.name}: {module}.{name}"]
    assert seen > 50
    assert missing == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        # Whoever asks for help, a status or a log.
        ("skymosaic.cli.main", {"astropy", "distributed", "scipy", "boto3", "matplotlib"}),
        # Each driver and each worker of a campaign whose store is a folder.
        ("skymosaic.runs.running, skymosaic.pipeline.onepass", {"boto3", "matplotlib", "bokeh"}),
    ],
)
def test_what_is_slow_to_import_waits_until_it_is_needed(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert heavy.isdisjoint(done.stdout.split())
