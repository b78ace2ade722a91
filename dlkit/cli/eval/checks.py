"""What is wrong with the options of dlkit eval."""

from collections.abc import Iterator
from pathlib import Path

from dlkit.cli import console
from dlkit.errors import ConfigError, did_you_mean
from dlkit.files.run_dir import RunDir
from dlkit.settings.checks import check_device
from dlkit.settings.eval_config import EvalConfig
from dlkit.settings.spec import parse_spec

_PREDICTIONS = (b"index,target", b"index,organ,time,target")


def faults_of(
    config: EvalConfig, checkpoints: list[Path], predict: Path | None, device: str
) -> list[ConfigError]:
    """Check what was typed, before torch is loaded."""
    faults = [*config.faults(), *_metric_faults("--metrics", config.metric_names or [])]
    if not faults:
        for gate in config.gates:
            faults += _metric_faults(gate.option, [gate.metric] if gate.metric != "loss" else [])
    faults += list(check_device(device))
    if config.data is not None:
        try:
            parse_spec(config.data)
        except ConfigError as err:
            faults.append(err)
    if predict is not None and len(checkpoints) > 1:
        faults.append(
            ConfigError(
                f"--predict takes one checkpoint; {len(checkpoints)} are given", "evaluate them one by one"
            )
        )
    if predict is not None:
        faults += _predict_faults(predict)
    return faults


def _metric_faults(option: str, names: list[str]) -> Iterator[ConfigError]:
    """Find names that no task has; whether the task at hand has them is seen when it is known."""
    if not names:
        return
    from dlkit.metrics import IN_EVAL_ONLY, METRICS

    there = (*METRICS, *IN_EVAL_ONLY)
    for name in names:
        if name not in there:
            yield ConfigError(
                f"{option} {name} is not known; choose from {', '.join(there)}", did_you_mean(name, there)
            )


def _predict_faults(predict: Path) -> Iterator[ConfigError]:
    if str(predict) == "-":
        if console.mode.json:
            yield ConfigError(
                "--predict - and --json both write to stdout", "write the predictions to a file"
            )
    elif predict.suffix.lower() != ".csv":
        yield ConfigError(
            f"--predict {predict} does not end in .csv", "for example --predict predictions.csv"
        )
    elif predict in set((run := RunDir(predict.parent)).files()) - set(run.evaluations()):
        yield ConfigError(
            f"--predict {predict} would replace a file of a run", "choose another name, e.g. predictions.csv"
        )
    elif predict.is_file() and not _holds_predictions(predict):
        yield ConfigError(
            f"--predict {predict} would replace a file that holds no predictions",
            f"--data {predict} --predict FILE writes what is predicted for its rows into FILE",
        )


def _holds_predictions(path: Path) -> bool:
    """Tell by its first line whether a file is one that --predict wrote."""
    try:
        with path.open("rb") as file:
            start = file.read(80)
    except OSError:
        return False
    return not start or start.startswith(_PREDICTIONS)
