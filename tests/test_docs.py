"""The documentation matches the code."""

import importlib.util
import re
import shlex
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from dlkit.settings.resolve import resolve

ROOT = Path(__file__).resolve().parent.parent


def _reference_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "docs" / "write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_command_reference_matches_the_code() -> None:
    writer = _reference_writer()
    assert writer.PAGE.read_text() == writer.reference(), "run python docs/write_reference.py"


def test_rules_page_matches_the_table() -> None:
    spec = importlib.util.spec_from_file_location("write_rules", ROOT / "docs" / "write_rules.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)

    assert writer.PAGE.read_text() == writer.page(), "run python docs/write_rules.py"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    _, test_command = _blocks(ROOT / "README.md", "sh")[:2]
    assert test_command.strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_readme_begins_with_two_commands_that_set_everything_up() -> None:
    for command in _blocks(ROOT / "README.md", "sh")[:2]:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install")
        assert command.count("\n") == 1


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_have_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_commands_shown_have_known_options(page: Path) -> None:
    known = {
        path: {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        for path, command in _reference_writer().commands()
    }
    shown = [
        line
        for block in _blocks(page, "sh")
        for line in re.findall(r"\bdlkit [^|;)>\n&]*", block)
        if not line.startswith("dlkit -")
    ]
    for line in shown:
        words = shlex.split(line.replace('"$', "").replace('"', ""))
        path = next((p for p in known if words[: len(p.split())] == p.split()), None)
        assert path is not None, line
        for word in words:
            assert not re.match(r"--?[a-z]", word) or word in known[path], f"{line}: {word}"


def _training_commands() -> list[str]:
    blocks = [block for page in PAGES for block in _blocks(page, "sh")]
    lines = [line for block in blocks for line in re.findall(r"dlkit train [a-z][^;)|&\n]*", block)]
    return [line for line in lines if "--resume" not in line]  # the run has the other settings


@pytest.mark.parametrize("line", _training_commands())
def test_training_commands_shown_are_accepted(line: str) -> None:
    words = shlex.split(line.replace('"', ""))
    typed: dict[str, object] = {"model": words[2]}
    arguments = {}
    for name, value in pairwise([*words[3:], ""]):
        if name in ("--data", "--optimizer", "--schedule"):
            typed[name[2:]] = value
        elif name == "-s" and "$" not in value:
            key, _, text = value.partition("=")
            arguments[key] = text
    assert resolve(typed, arguments).model.endswith(words[2])  # own code has an absolute path


def test_the_script_of_the_readme_runs(dlkit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLKIT_TRAIN_PLOT")
    trained = dlkit("train", "mlp", "--epochs", "1")
    assert trained.code == 0
    checkpoint = trained.stdout.strip()
    assert trained.stdout == f"{checkpoint}\n"
    assert dlkit("eval", checkpoint, "--json").code == 0
    assert dlkit("plot", Path(checkpoint).parent / "history.csv").code == 0
    assert dlkit("inspect", "grads", checkpoint).code == 0
    assert (home / "runs" / "mlp-digits-001" / "curves.png").stat().st_size > 10_000
