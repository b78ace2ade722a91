"""A file imports only from the rows below its own, as docs/architecture.md draws them."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROWS: list[list[str]] = [
    row.replace("(", "").replace(")", "").split(" | ")
    for row in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0][
        "layers"
    ]
]
LEVEL = {part: -index for index, row in enumerate(ROWS) for part in row}
FILES = sorted((ROOT / "dlkit").rglob("*.py"))
HEAVY = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "pyarrow",
    "matplotlib",
    "sklearn",
    "scipy",
    "safetensors",
)


def imports(path: Path, *, module_level: bool = False) -> Iterator[str]:
    """Full names of what a file imports, what only type checkers import left out."""
    tree = ast.parse(path.read_text())
    hidden = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    nodes = tree.body if module_level else ast.walk(tree)
    for node in nodes:
        if node in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "dlkit").with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_file_imports_only_from_the_rows_below(path: Path) -> None:
    own = part_of(path)
    if own in ("__init__", "__main__"):
        return
    assert own in LEVEL, f"{own} stands in no row"
    for name in imports(path):
        package, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if package == "dlkit" and other in LEVEL and other != own:
            assert LEVEL[other] < LEVEL[own], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_heavy_packages_stand_only_where_they_may(path: Path) -> None:
    own = part_of(path)
    at_top = {name.partition(".")[0] for name in imports(path, module_level=True)}
    anywhere = {name.partition(".")[0] for name in imports(path)}

    if own == "cli":
        assert not at_top & set(HEAVY)
    if own in LEVEL and LEVEL[own] < LEVEL["device"] and path.stem not in ("checkpoint", "tensor_file"):
        assert "torch" not in anywhere
    if own != "plotting":
        assert "matplotlib" not in anywhere
    if own not in ("data", "plotting"):
        assert "pandas" not in anywhere
    assert "pickle" not in anywhere
    assert "click" not in anywhere
    assert "pyplot" not in path.read_text()


def test_torchvision_stands_in_two_files() -> None:
    users = [path.name for path in FILES if any(name.startswith("torchvision") for name in imports(path))]

    assert sorted(users) == ["torchvision_models.py", "torchvision_sets.py"]


def test_every_row_is_there_or_marked_as_coming() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    coming = {word.strip("()") for row in contract["layers"] for word in row.split(" | ") if "(" in word}

    for part in set(LEVEL) - coming:
        assert (ROOT / "dlkit" / part).is_dir() or (ROOT / "dlkit" / f"{part}.py").is_file(), part


def test_packages_say_in_one_line_what_they_are_and_nothing_else() -> None:
    for path in (ROOT / "dlkit").rglob("*/__init__.py"):
        tree = ast.parse(path.read_text())
        assert len(tree.body) == 1
        assert ast.get_docstring(tree)
        assert path.read_text().count("\n") == 1


def test_modules_keep_their_size() -> None:
    banned = {"utils", "helpers", "common", "misc", "base", "core", "manager"}
    for path in FILES:
        assert path.stem not in banned
        assert len(path.read_text().splitlines()) <= 400, path
