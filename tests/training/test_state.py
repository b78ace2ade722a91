"""A checkpoint whose checksums are right and whose contents are not: refused in one line, or harmless."""

import copy
import random
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import assert_reports
from runs import configure, drive, essence, resume
from torch import Tensor

from dlkit.errors import CheckpointError
from dlkit.files.run_dir import RunDir
from dlkit.files.tensor_file import read_tensors, write_tensors
from dlkit.training.run import start_run

SETTINGS = {
    "optimizer": "adam",
    "ema": 0.9,
    "patience": 9,
    "schedule": "plateau",
    "limit": 60,
    "batch_size": 6,
    "epochs": 2,
}
Tensors = dict[str, Tensor]
Said = dict[str, Any]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped in the middle of its second epoch."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    drive(start_run(configure({"hidden": "6", "dropout": "0.1"}, **SETTINGS), folder), 14)
    return folder


def forged(stopped: Path, folder: Path, change: Callable[[Tensors, Said], object]) -> Path:
    """Copy the run, change what its last checkpoint holds, and seal it anew; there is no other to fall back on."""
    shutil.copytree(stopped, folder)
    last = RunDir(folder).last
    tensors, said = read_tensors(last)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    for key in ("format", "tensors"):
        del said[key]
    change(tensors, said)
    write_tensors(last, tensors, said)
    RunDir(folder).last_prev.unlink()
    return folder


def put(name: str, tensor: Tensor) -> Callable[[Tensors, Said], None]:
    return lambda tensors, _: tensors.update({f"dlkit.{name}": tensor})


def drop(name: str) -> Callable[[Tensors, Said], object]:
    return lambda tensors, _: tensors.pop(f"dlkit.{name}")


def say(*path: str, value: object) -> Callable[[Tensors, Said], None]:
    def change(_: Tensors, said: Said) -> None:
        for name in path[:-1]:
            said = said[name]
        said[path[-1]] = value

    return change


NUMPY = torch.ones(626, dtype=torch.int64)
MOMENT = "optimizer.exp_avg.hidden.0.linear.weight"
REFUSED = {
    "other-shape-of-a-moment": (put(MOMENT, torch.zeros(6, 63)), MOMENT),
    "other-kind-of-a-moment": (put(MOMENT, torch.zeros(6, 64, dtype=torch.float64)), MOMENT),
    "moment-missing": (drop(MOMENT), "optimizer.*.hidden.0.linear.weight"),
    "moment-of-another-optimizer": (
        put("optimizer.square_avg.output.bias", torch.zeros(10)),
        "optimizer.*.output.bias",
    ),
    "average-broadcast": (put("ema.output.bias", torch.zeros(1)), "ema.output.bias"),
    "average-missing": (drop("ema.output.bias"), "ema.output.bias"),
    "numpy-beyond-its-memory": (put("random.numpy", NUMPY * 10**9), "random.numpy"),
    "numpy-place": (put("random.numpy", torch.cat([NUMPY[:624], torch.tensor([625, 0])])), "random.numpy"),
    "python-beyond-its-range": (put("random.python", -torch.ones(625, dtype=torch.int64)), ""),
    "torch-unseeded": (put("random.torch", torch.zeros(5056, dtype=torch.uint8)), ""),
    "python-missing": (drop("random.python"), "random.python"),
    "sums-missing": (drop("running.pending_outputs"), "'pending_outputs'"),
    "sums-too-short": (put("running.sizes", torch.tensor([6])), ""),
    "probes-of-another-network": (put("probe.values", torch.zeros(4, 3, 9)), "probe.values"),
    "threads": (say("progress", "threads", value=10**9), "threads"),
    "versions": (say("versions", value=0.5), ""),
    "version": (say("versions", "torch", value=2), "versions"),
    "batch": (say("progress", "position", "batch", value=11), "position"),
    "epoch": (say("progress", "position", "epoch", value=0), "position"),
    "step": (say("progress", "position", "step", value=-3), "position"),
    "step-before-the-epoch": (say("progress", "position", "step", value=1), "position"),
    "seconds": (say("progress", "position", "seconds", value=-1.0), "position"),
    "position-key": (say("progress", "position", "colour", value=1), "position"),
    "position": (say("progress", "position", value=[1]), ""),
    "best": (say("progress", "best", value={"epoch": 1}), "'step'"),
    "early-stopping": (say("progress", "early_stopping", "patience", value=1), "counters"),
    "bad-epochs": (say("progress", "plateau", "bad_epochs", value=-1), "counters"),
    "plateau-key": (say("progress", "plateau", "observe", value=1), "counters"),
    "progress-missing-key": (lambda _, said: said["progress"].pop("plateau"), "'plateau'"),
    "argument": (say("config", "arguments", "dropout", value=None), "argument dropout"),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
def test_state_that_no_run_can_have_is_refused(
    change: Callable[[Tensors, Said], object], says: str, stopped: Path, tmp_path: Path
) -> None:
    folder = forged(stopped, tmp_path / "run", change)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    with pytest.raises(CheckpointError) as caught:
        resume(folder)

    assert_reports(caught.value, f"{folder}/last.safetensors", says)
    assert caught.value.hint
    assert len(caught.value.message) < 400 + len(str(folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_state_sealed_anew_without_a_change_is_resumed_from(stopped: Path, tmp_path: Path) -> None:
    folder = forged(stopped, tmp_path / "run", say("progress", "threads", value=1))
    drive(resume(folder))
    drive(start_run(configure({"hidden": "6", "dropout": "0.1"}, **SETTINGS), tmp_path / "whole"))
    assert essence(folder) == essence(tmp_path / "whole")


def test_state_of_an_optimizer_without_any_is_taken(tmp_path: Path) -> None:
    drive(start_run(configure({"hidden": "4"}, limit=40, epochs=1, momentum=0.0), tmp_path / "run"), 3)

    assert resume(tmp_path / "run").start_step == 3


def test_settings_that_differ_in_the_file_for_people_are_reported(stopped: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    config = RunDir(folder).config
    assert not any("config.toml" in note for note in resume(folder).notes)
    config.write_text(config.read_text().replace("epochs = 2", "epochs = 5").replace("seed = 0", "seed = 7"))

    (note,) = [note for note in resume(folder).notes if "config.toml" in note]

    for value in (config, "epochs (5)", "seed (7)", f"{folder}/last.safetensors"):
        assert str(value) in note


@pytest.mark.parametrize("text", ["epochs = ", None], ids=["no-toml", "missing"])
def test_file_for_people_that_cannot_be_read_is_written_anew(
    text: str | None, stopped: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    config = RunDir(folder).config
    before = tomllib.loads(config.read_text())
    config.unlink()
    if text is not None:
        config.write_text(text)

    run = resume(folder)

    assert any(str(config) in note for note in run.notes)
    drive(run)
    assert tomllib.loads(config.read_text()) == before


VALUES = [None, -1, 0, 7, 10**9, 2**63, 10**400, -0.5, 1e308, True, "", "\x1b[31m", [], [1], {}, "cnn"]
DTYPES = [torch.float64, torch.int64, torch.uint8, torch.bool, torch.float16, torch.complex64]


def changes(seed: int) -> Callable[[Tensors, Said], None]:
    """Return a few random changes of tensors and metadata."""
    draw = random.Random(seed)

    def change(tensors: Tensors, said: Said) -> None:
        for _ in range(draw.choice((1, 1, 2, 4))):
            if draw.random() < 0.5:
                name = draw.choice(sorted(tensors))
                tensors |= dict([_changed(draw, name, tensors.pop(name))])
            else:
                path = draw.choice(sorted(_paths(said), key=str))
                *parents, name = path
                place = said
                for parent in parents:
                    place = place[parent]
                place[name] = copy.deepcopy(draw.choice(VALUES))

    return change


def _changed(draw: random.Random, name: str, tensor: Tensor) -> tuple[str, Tensor]:
    flat = tensor.reshape(-1)
    kinds: list[Callable[[], tuple[str, Tensor]]] = [
        lambda: (f"{name}x", tensor),
        lambda: (name, flat[:-1]),
        lambda: (name, tensor.unsqueeze(0)),
        lambda: (name, torch.cat([flat, flat])),
        lambda: (name, tensor.to(draw.choice(DTYPES))),
        lambda: (name, torch.full_like(tensor, draw.choice([0, 1, 255]))),
        lambda: (name, torch.full(tensor.shape, draw.choice([2**62, -(2**62)]))),
    ]
    return draw.choice(kinds)()


def _paths(said: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in said.items():
        yield (*above, name)
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, name))


OF_ANOTHER_KIND = {
    "deterministic": -0.5,
    "compile": 1,
    "epochs": True,
    "batch_size": 6.0,
    "lr": "0.1",
    "momentum": "x",
    "stratify": None,
    "device": ["cpu"],
    "data": {},
    "colour": "red",
}


@pytest.mark.parametrize(("name", "value"), OF_ANOTHER_KIND.items(), ids=OF_ANOTHER_KIND)
def test_setting_of_another_kind_is_refused_before_it_is_used(
    name: str, value: object, stopped: Path, tmp_path: Path, dlkit: Callable[..., Any]
) -> None:
    folder = forged(stopped, tmp_path / "run", say("config", name, value=value))

    result = dlkit("train", "--resume", folder, "--no-plot")

    assert (result.code, result.stdout) == (4, "")
    for part in ("last.safetensors", name, repr(value)):
        assert part in result.stderr


@pytest.mark.slow
def test_no_forged_state_ends_in_anything_but_a_line(
    stopped: Path, tmp_path: Path, dlkit: Callable[..., Any]
) -> None:
    codes = []
    for seed in range(150):
        folder = forged(stopped, tmp_path / str(seed), changes(seed))
        result = dlkit("train", "--resume", folder, "--epochs", "2", "--no-plot")
        codes.append(result.code)
        assert result.code in (0, 3, 4, 5), (seed, result.stderr)
        assert "Traceback" not in result.stderr
        shutil.rmtree(folder)
    assert codes.count(4) > 75
