"""What import-linter does not say of the source files: names, sizes, and which file uses which package."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

DLKIT = Path(__file__).resolve().parent.parent / "dlkit"
FILES = sorted(DLKIT.rglob("*.py"))
BANNED_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "manager"}
ALLOWED_IN = {
    "matplotlib": ("plotting/",),
    "pandas": ("data/", "plotting/"),
    "pyarrow": ("data/tables/", "plotting/"),
    "torchvision": ("models/torchvision_models.py",),
    "pyplot": (),
}


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Full names of what a file imports at any level, except for type checkers only."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED_IN)
@pytest.mark.quick(1)
def test_package_is_imported_only_where_it_may_be(package: str) -> None:
    users = [
        path.relative_to(DLKIT).as_posix()
        for path in FILES
        if any(package in name.split(".") and not name.startswith("dlkit.") for name in imports(path))
    ]

    assert [user for user in users if not user.startswith(ALLOWED_IN[package] or "-")] == []


def test_modules_have_plain_names_and_at_most_400_lines() -> None:
    assert BANNED_NAMES & {path.stem for path in FILES} == set()
    assert [path for path in FILES if len(path.read_text().splitlines()) > 400] == []
