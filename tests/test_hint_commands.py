"""What messages tell people to type works: every complete command in a text of the code is run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_hints import commands, parsed

pytestmark = pytest.mark.slow

BLANKS = {
    "RUN": "run",
    "OTHER": "other",
    "RUN1": "run",
    "RUN2": "other",
    "CKPT": "places/best.safetensors",
    "SPEC": "digits",
    "MODEL": "mlp",
    "DATA": "digits",
    "RUN/config.toml": "run/config.toml",
    "FILE.csv": "predictions.csv",
    "COLUMN": "y",
    "NEW": "new",
}
"""What people put in the place of a word in capitals."""

FILLED = {
    "train 1 --resume RUN": "train net.py:Net --resume own --epochs 2",
    "train 1 --resume 11 --lr 11": "train --resume diverged --lr 0.001",
    "train --resume 1": "train --resume run --epochs 3",
    "train --config 1 --out NEW": "train --config run/config.toml --out new",
    "train --join 1": "train --join sweep",
    "train --join 1 --trials 1": "train --join sweep --trials 2",
    "eval 1": "eval run/best.safetensors",
    "plot 1": "plot run",
    "plot 1 --kind parity": "plot numbers.csv --kind parity",
    "plot 1 --kind confusion": "plot classes.csv --kind confusion",
    "inspect run 1": "inspect run run",
    "train mlp --data 1": "train mlp --data digits",
    "inspect runs 1": "inspect runs .",
    "inspect nan 11": "inspect nan diverged",
    "inspect nan RUN": "inspect nan diverged",
    "eval RUN --importance": "eval rows --importance",
}
"""What the code fills in, by the command as the text has it."""

AS_IT_IS = {"train mlp --seed 1"}
"""With a number of its own."""

DOWNLOADS = ("data get",)  # ask the network; the tests of get run them against a server of their own


def whole_commands() -> list[str]:
    """Return the commands that are complete, each once; a bare verb in a sentence is none."""
    found = {" ".join((*path, *words)) for path, words in (parsed(text) for _, text in commands()) if words}
    return sorted(found - {"plot "} | {"data ls", "train --list", "--version", "--help"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind that the commands are about, under the names of BLANKS and FILLED."""
    from dlkit.cli.app import run

    folder = tmp_path_factory.mktemp("made")
    rows = [f"{row % 7},{row % 11},{row % 7 - row % 11}" for row in range(120)]
    (folder / "rows.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (folder / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    table = "--data rows.csv --target y --task regression"
    lines = {
        "train mlp --epochs 2 --out run": 0,
        "train mlp --epochs 1 --seed 1 --out other": 0,
        "train net.py:Net --data digits --epochs 1 --out own": 0,
        "train mlp --epochs 2 --optimizer sgd --lr 1e30 --out diverged": 5,
        f"train mlp {table} --epochs 1 --out rows": 0,
        "train spatial --epochs 1 --out places": 0,
        "train mlp --epochs 1 --trials 1 --search lr=1e-4..1e-1:log --out sweep": 0,
        "eval run --predict classes.csv": 0,
        "eval rows --predict numbers.csv": 0,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DLKIT_HOME", str(folder / "home"))
        for line, code in lines.items():
            quiet = ["--quiet"] if line.startswith("train") else []
            assert run([*line.split(), *quiet]) == code, line
    return folder


def test_every_command_that_is_told_works(
    made: Path, home: Path, dlkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: dict[str, str] = {}
    for number, command in enumerate(whole_commands()):
        if command.startswith(DOWNLOADS):
            continue
        words = [BLANKS.get(word, word) for word in FILLED.get(command, command).split()]
        assert not {"1", "11"} & set(words) or command in AS_IT_IS, f"say what {command} is run with"
        assert not any(word.isupper() for word in words), f"say what {command} is run with"
        monkeypatch.chdir(shutil.copytree(made, home / str(number)))
        found = dlkit(*words)
        if found.code != 0:
            faults[command] = found.stderr

    assert faults == {}


def test_the_commands_are_all_of_the_texts() -> None:
    assert len(whole_commands()) > 40
    assert set(FILLED) <= set(whole_commands())
