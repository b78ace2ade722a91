"""What --json prints is JSON that any reader takes: one document, or one a line for each checkpoint of eval."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dlkit.cli.app import build_app

Dlkit = Callable[..., Any]
LINES: dict[str, str] = {
    "data check": "data check x.csv --target y",
    "data get": "data get digits",
    "data ls": "data ls",
    "data show": "data show x.csv --target y",
    "data split": "data split digits -o split.csv",
    "eval": "eval run",
    "inspect acts": "inspect acts run",
    "inspect diff": "inspect diff run run/last.safetensors",
    "inspect env": "inspect env",
    "inspect grads": "inspect grads run",
    "inspect history": "inspect history run/history.csv",
    "inspect lr": "inspect lr mlp",
    "inspect model": "inspect model run",
    "inspect nan": "inspect nan diverged",
    "inspect rules": "inspect rules",
    "inspect run": "inspect run run",
    "inspect runs": "inspect runs .",
    "inspect show": "inspect show run",
    "inspect updates": "inspect updates run",
    "inspect weights": "inspect weights run",
    "plot": "plot run",
    "train": "train mlp --limit 100 --epochs 1 --out new",
}
MORE = (
    *("train mlp --print-config", "train mlp --dry-run", "train --list", "plot run --kind confusion"),
    *("eval run --split val --predict p.csv", "data check digits"),
)


def strict(text: str) -> Any:
    """Read JSON as the standard has it: no NaN, no infinities, no name twice in an object, no lone surrogates."""
    text.encode("utf-8")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), names
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=without_repeats)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the words that call each command."""
    children = getattr(command, "commands", {})
    if not children:
        yield " ".join(path)
    for name, child in children.items():
        yield from leaves(child, (*path, name))


@pytest.fixture(scope="module")
def diverged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that diverged; not to be changed."""
    from dlkit.cli.app import run

    folder = tmp_path_factory.mktemp("diverged") / "run"
    assert run(["train", "mlp", "--lr", "1e6", "--epochs", "2", "--quiet", "--out", str(folder)]) == 5
    return folder


@pytest.fixture
def files(run_copy: Path, diverged: Path, home: Path) -> None:
    """A run, one that diverged, and a table with a column and a class that JSON has to escape."""
    shutil.copytree(diverged, home / "diverged")
    rows = [f"{i % 7},{i % 5 or ''},{('a', 'b' + chr(34), 'é')[i % 3]!r}" for i in range(60)]
    (home / "x.csv").write_text(
        "\n".join(['"a ""quoted"" one",b,y', *rows]).replace("'", ""), encoding="utf-8"
    )


def test_every_command_is_read_below() -> None:
    assert sorted(LINES) == sorted(leaves(typer.main.get_command(build_app())))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("line", [*LINES.values(), *MORE])
def test_json_is_one_document_for_a_strict_reader(line: str, dlkit: Dlkit) -> None:
    result = dlkit(*line.split(), "--json")

    assert result.code == 0, result.stderr
    assert isinstance(strict(result.stdout), dict | list)


@pytest.mark.usefixtures("files")
def test_eval_prints_one_object_a_line_and_null_for_what_is_not_finite(dlkit: Dlkit, home: Path) -> None:
    (home / "one-class.csv").write_text("a,y\n" + "1,x\n2,x\n3,z\n" * 20)
    dlkit("train", "mlp", "--data", "one-class.csv", "--target", "y", "--epochs", "1", "--out", "t")
    (home / "new.csv").write_text("a,y\n1,x\n2,x\n")

    found = dlkit("eval", "t", "t", "--data", "new.csv", "--metrics", "accuracy,roc_auc", "--json")

    lines = [strict(line) for line in found.stdout.splitlines()]
    assert [line["checkpoint"] for line in lines] == ["t/best.safetensors"] * 2
    assert [line["metrics"]["roc_auc"]["value"] for line in lines] == [None, None]
    assert all(math.isfinite(line["loss"]) for line in lines)
