"""Logs with a metric a row, as MLflow, Comet and TensorBoard export them: made a column for each metric."""

from collections.abc import Sequence

from dlkit.files.foreign_runs import RUN_COLUMNS, SPLITS, Rows, Table, with_underscores

_METRIC = ("key", "metric", "metric_name", "metricname", "tag", "name")
_VALUE = ("value", "metric_value", "metricvalue")
_COUNTS = ("step", "epoch", "global_step")
_OF_SPLITS = ("run", "runcontext", "context", "split", "phase")
_OF_KERAS = "epoch_"


def is_long(header: Sequence[str]) -> bool:
    """Return whether a header is of names of metrics, their values, and steps or epochs."""
    names = [with_underscores(name) for name in header]
    return all(any(name in known for name in names) for known in (_METRIC, _VALUE, _COUNTS))


def widened(header: Sequence[str], rows: Rows) -> tuple[list[str], Table]:
    """Return the metrics, and a table with a row for each step of a run; `train` or `val` may stand in another column.

    Args:
        header: One that `is_long` knows.
        rows: With their line numbers.
    """
    names = [with_underscores(name) for name in header]
    metric, value = (
        next(names.index(each) for each in known if each in names) for known in (_METRIC, _VALUE)
    )
    counts = [names.index(each) for each in _COUNTS if each in names]
    of_split = next(
        (names.index(each) for each in _OF_SPLITS if each in names and names.index(each) != metric), -1
    )
    if of_split >= 0 and not all(_split(row[of_split])[1] for _, row in rows):
        of_split = -1
    runs = [
        place
        for place, name in enumerate(names)
        if place not in (metric, of_split)
        and name.removesuffix("_key") in RUN_COLUMNS
        and len({row[place] for _, row in rows}) > 1
    ]
    several = of_split >= 0 and len({_split(row[of_split])[0] for _, row in rows}) > 1
    before = ["run"] * several + [names[place].removesuffix("_key") for place in runs]
    metrics: dict[str, None] = {}
    found: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
    for line, row in rows:
        run, split = _split(row[of_split]) if of_split >= 0 else ("", "")
        name = row[metric].strip()
        if split and not {*with_underscores(name).split("_")} & {*SPLITS}:
            name = f"{split}_{name.removeprefix(_OF_KERAS)}"
        metrics[name] = None
        place = (*(run,) * several, *(row[each].strip() for each in (*runs, *counts)))
        found.setdefault(place, (line, {}))[1][name] = row[value]
    shown = [name for name in metrics if name not in _COUNTS or name not in names]
    called = ["train_loss" if name == "loss" and "train_loss" not in metrics else name for name in shown]
    ordered = sorted(found, key=lambda place: (place[: len(before)], *map(_number, place[len(before) :])))
    return called, (
        [*before, *(names[place] for place in counts), *called],
        [(found[each][0], [*each, *(found[each][1].get(name, "") for name in shown)]) for each in ordered],
    )


def _number(count: str) -> float:
    try:
        return float(count)
    except ValueError:
        return float("inf")


def _split(run: str) -> tuple[str, str]:
    """Take `exp1/train` apart; the second part is empty where it is none of the data."""
    before, _, last = run.strip().rpartition("/")
    last = "val" if last == "validate" else last
    return (before, last) if last.lower() in SPLITS else (run, "")
