"""Words known from elsewhere are answered with what does it here, and nothing is run."""

import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from refusals import assert_refused, faults

from dlkit.cli.aliases import COMMANDS, OPTIONS, SENTENCES
from dlkit.cli.app import build_app
from dlkit.errors import did_you_mean

Dlkit = Callable[..., Any]

ANSWERED = {
    "train mlp --learning-rate 0.1": "dlkit train mlp --lr 0.1",
    "train mlp --learning_rate=0.1 -q": "dlkit train mlp --lr 0.1 -q",
    "train mlp --epoch 3 --learning-rate 0.1": "dlkit train mlp --epochs 3 --lr 0.1",
    "train mlp --hidden 64,32 --epochs 2": "dlkit train mlp -s hidden=64,32 --epochs 2",
    "train mlp --early-stopping --seed 1": "dlkit train mlp --patience 5 --seed 1",
    "train --early-stopping mlp": "dlkit train --patience 5 mlp",
    "eval run --baseline gbm": "dlkit eval run --baselines",
    "eval run --output p.csv": "dlkit eval run --predict p.csv",
    "eval run --min-accuracy 0.9": "dlkit eval run --min accuracy=0.9",
    "train mlp --logdir tb": "dlkit train mlp --log tensorboard",
    "train mlp --nproc 4": "dlkit train mlp --device cpu --devices 4",
    "train cnn --augmentation flip": "dlkit train cnn --augment light",
    "train mlp -s dropout=0.1,0.3": "--search s.dropout=0.1,0.3 --sampler grid trains once with each value",
    "inspect gradients run": "dlkit inspect grads RUN",
    "train mlp --augment": "dlkit train --help-all lists what is available",
    "train mlp --lr 0.1,0.2": "--search lr=0.1,0.2 --sampler grid trains once with each value",
    "train digits": "it is a data set: dlkit train mlp --data digits",
    "train mlp --gpu": "dlkit train mlp --device auto",
    "train mlp --gpu 0": "dlkit train mlp --device auto",
    "train --gpu mlp": "dlkit train --device auto mlp",
    "train mlp --lr-scheduler step": "dlkit train mlp --schedule step",
    "train mlp --workers 2": "dlkit train mlp --num-workers 2",
    "train mlp --dataset 'my file.csv' --label y": "dlkit train mlp --data 'my file.csv' --target y",
    "eval run --gpu": "dlkit eval run --device auto",
    "eval run --list": "dlkit train --list lists the networks, dlkit data ls the data sets",
    "train mlp --epohcs 3": "did you mean --epochs?",
    "train mlp --batch_size 3": "did you mean --batch-size?",
    "train mlp --class-weights balanced --epochs 1": "dlkit train mlp --balance loss --epochs 1",
    "train mlp --kfold 5": "dlkit train mlp --folds 5",
    "train mlp --sweep lr=0.1,0.2": "dlkit train mlp --trials 20 --search lr=0.1,0.2",
    "eval run --boosting": "dlkit eval run --baselines",
    "eval run --confusion": "dlkit eval RUN prints the confusion matrix, dlkit plot RUN --kind confusion draws it",
    "plot run --kind predicted": "did you mean parity?",
    "report run": "dlkit plot RUN --report report.html",
    "tune mlp": "dlkit train mlp --trials 20 --search lr=1e-4..1e-1:log",
    "predict": "dlkit eval RUN --predict predictions.csv",
    "resume run": "dlkit train --resume RUN",
    "models": "dlkit train --list",
    "data list": "dlkit data ls",
    "weights run": "dlkit inspect weights --help",
    "trian": "did you mean train?",
    "plot run --epochs 3": "dlkit plot --help lists what is available",
    "plot run --gpu": "dlkit plot --help lists what is available",
    "eval run -w 3": "dlkit eval --help lists what is available",
}


@pytest.mark.parametrize(("typed", "answer"), ANSWERED.items(), ids=ANSWERED)
def test_foreign_words_are_answered_with_what_does_it(
    typed: str, answer: str, dlkit: Dlkit, home: Path
) -> None:
    result = dlkit(*shlex.split(typed))

    assert (result.code, result.stdout) == (2, "")
    assert faults(result.stderr)[0][1] == answer
    assert not list(home.iterdir())


@pytest.mark.parametrize("word", ["predict", "test", "export", "sweep", "resume", "version"])
def test_commands_that_people_look_for_have_an_answer(word: str, dlkit: Dlkit) -> None:
    ((message, hint),) = faults(dlkit(word).stderr)

    assert message == f"no such command '{word}'"
    assert "--help lists" not in hint


def names_of(command: Any) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def leaves(command: Any) -> Iterator[Any]:
    children = getattr(command, "commands", {}).values()
    if not children:
        yield command
    for child in children:
        yield from leaves(child)


def test_every_alias_is_of_an_option_there_is_and_hides_none() -> None:
    there = set().union(*(names_of(command) for command in leaves(typer.main.get_command(build_app()))))

    assert [alias for alias in OPTIONS.values() if alias.words.split()[0] not in there] == []
    train = typer.main.get_command(build_app()).commands["train"]
    assert [name for name in OPTIONS if f"--{name}" in names_of(train)] == []
    assert not {*COMMANDS, *SENTENCES} & set(typer.main.get_command(build_app()).commands)


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("list", ["split", "quiet"], ""),
        ("hidden", ["header"], ""),
        ("export", ["plot"], ""),
        ("sdg", ["sgd", "adam"], "did you mean sgd?"),
        ("dai", ["day"], "did you mean day?"),
        ("minst", ["mnist", "kmnist"], "did you mean mnist?"),
        ("loss", ["val_loss", "train_loss", "val_mae"], "did you mean val_loss or train_loss?"),
        ("prcision", ["precision"], "did you mean precision?"),
    ],
)
def test_suggestions_are_typing_errors_away_or_have_all_words(
    name: str, allowed: list[str], expected: str
) -> None:
    assert did_you_mean(name, allowed) == expected


def test_weights_of_torch_save_are_answered_with_a_way_that_works(dlkit: Dlkit, home: Path) -> None:
    (home / "w.pth").write_bytes(b"PK\x03\x04" + bytes(100))

    for words in (("train", "mlp", "--init", "w.pth"), ("eval", "w.pth"), ("inspect", "weights", "w.pth")):
        assert_refused(dlkit(*words), 4, "zip archive", "in the constructor of a network of your own")
    assert_refused(dlkit("train", "resnet18", "--pretrained"), 2, "--pretrained", "class whose constructor")


@pytest.mark.parametrize(
    ("header", "hint"),
    [("age,rooms,rent", "--target COLUMN"), ("age,Label,rent", "for example --target Label")],
)
def test_a_missing_target_proposes_no_column_at_random(
    header: str, hint: str, dlkit: Dlkit, home: Path
) -> None:
    (home / "t.csv").write_text(f"{header}\n" + "1,2,3\n4,5,6\n" * 20)

    ((message, said),) = faults(dlkit("train", "mlp", "--data", "t.csv").stderr)

    assert "age" in message
    assert said.startswith(hint)


def test_lists_of_an_option_that_comes_again_add_up(dlkit: Dlkit, home: Path) -> None:
    sizes = [f"{row / 7:.3f}" if row != 3 else "Varies with device" for row in range(60)]
    rows = [f"{size},{row % 5},{row % 9},{row}" for row, size in enumerate(sizes)]
    Path("apps.csv").write_text("size,a,b,y\n" + "\n".join(rows) + "\n")
    ask = ("train", "mlp", "--data", "apps.csv", "--target", "y", "--epochs", 1, "--no-plot")

    words = ("--missing", "Varies with device", "--missing=a=4", "--kinds=a=number", "--kinds", "b=text")
    run = dlkit(*ask, *words, "--features", "size", "--features", "a,b", "--print-config")

    settings = tomllib.loads(run.stdout)
    assert settings["missing"] == "Varies with device,a=4"
    assert settings["kinds"] == "a=number,b=text"
    assert settings["features"] == "size,a,b"
    assert dlkit(*ask, *words).code == 0
    assert "needs" in dlkit(*ask, "--missing").stderr or "requires" in dlkit(*ask, "--missing").stderr
