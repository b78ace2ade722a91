"""Histories as they were asked for: named, joined or grouped, then drawn; no matplotlib until then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlkit.errors import counted
from dlkit.files.history import History
from dlkit.plotting.history.axis_titles import read_axis_titles
from dlkit.plotting.history.chosen import (
    as_named_in_files,
    check_labels,
    check_one_run_a_file,
    choose_x,
    label_runs,
    list_runs,
    not_drawn,
    notes_on,
)
from dlkit.plotting.history.long import thinned
from dlkit.plotting.history.panels import (
    Panel,
    check_x,
    choose_panels,
    count_not_positive,
    find_lacking,
    name_splits,
)
from dlkit.plotting.history.runs import (
    Setting,
    Settings,
    differing,
    group_runs,
    join_pieces,
    name_runs,
    read_settings,
    single_setting,
)
from dlkit.plotting.history.terminal import Line, draw_terminal
from dlkit.plotting.loading import load_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlkit.plotting.kinds import Drawing

_FEW_RUNS = 3


@dataclass(frozen=True)
class _Asked:
    """Histories as they are to be drawn.

    Args:
        histories: The runs, joined or grouped.
        labels: Their names; empty for a single one.
        columns: What -y asks for, in dlkit's names.
        x: The column that is the x axis.
        panels: What is drawn of them.
        spreads: Standard deviations around each; empty without groups.
        splits: What train and val are called.
        setting: The one setting that differs, where there are more than a few runs.
    """

    histories: Sequence[History]
    labels: Sequence[str]
    columns: Sequence[str] | None
    x: str
    panels: Sequence[Panel]
    spreads: Sequence[History | None]
    splits: Mapping[str, str]
    setting: Setting | None


def draw_histories(drawing: "Drawing") -> "Figure":
    """Draw the curves of one or several runs as the options say."""
    asked, options = _prepare(drawing), drawing.options
    load_matplotlib()

    from dlkit.plotting.history.curves import plot_history

    return plot_history(
        asked.histories,
        asked.labels,
        columns=asked.columns,
        x=asked.x,
        smooth=options.smooth,
        log_y=options.log_y,
        spreads=asked.spreads,
        setting=asked.setting,
        titles=read_axis_titles(drawing.paths),
        splits=asked.splits,
    )


def write_histories(drawing: "Drawing", width: int) -> tuple[list[Line], dict[str, str]]:
    """Draw them with characters instead.

    Returns:
        Lines of at most `width` characters, and the names of what their pieces belong to.
    """
    asked, options = _prepare(drawing), drawing.options
    lines = draw_terminal(
        asked.histories, asked.panels, x=asked.x, width=width, smooth=options.smooth, log_y=options.log_y
    )
    if len(asked.histories) > 1:
        return lines, {str(place): label for place, label in enumerate(asked.labels)}
    return lines, dict(asked.splits)


def _prepare(drawing: "Drawing") -> _Asked:
    options = drawing.options
    found, columns = as_named_in_files(list_runs(drawing.inputs, drawing.paths), options.columns)
    check_labels(found, options.labels)
    check_one_run_a_file(found, join=options.join)
    x = choose_x(found, options.x)
    for note in notes_on(found, x):
        drawing.warn(note)
    measured = [run.history for run in found]
    histories: Sequence[History] = measured
    if options.smooth == 1 and not (options.join or options.group):
        histories = [thinned(history) for history in histories]
    files = [run.place for run in found]
    check_x(histories, files, x)
    panels = choose_panels(histories, columns, log_y=options.log_y)
    if columns is not None:
        for file, column in find_lacking(histories, files, panels):
            drawing.warn(f"{file} has no {column}; it is left out of that panel")
    else:
        for note in not_drawn(found, panels):
            drawing.warn(note)
    if hidden := count_not_positive(measured, panels, columns, log_y=options.log_y):
        values = counted(hidden, "value") + (" that is" if hidden == 1 else " that are")
        drawing.warn(f"--log-y leaves out {values} not above 0")
    runs = [read_settings(run.path) for run in found]
    labels = options.labels or name_runs(runs, label_runs(found))
    spreads: Sequence[History | None] = ()
    if options.join:
        histories, labels, runs = [join_pieces(histories)], [""], runs[:1]
    elif options.group:
        histories, spreads, labels, runs = _grouped(histories, runs, drawing)
    setting = single_setting(runs) if len(histories) > _FEW_RUNS else None
    return _Asked(histories, labels, columns, x, panels, spreads, name_splits(measured), setting)


def _grouped(
    histories: Sequence[History], runs: Sequence[Settings], drawing: "Drawing"
) -> tuple[list[History], list[History], list[str], list[Settings]]:
    """Return the means of runs that differ in their seed alone, with spreads, names and settings.

    Runs with the same --label are one group too.
    """
    names = differing(runs)
    keys = drawing.options.labels or [repr([run.get(name) for name in names]) for run in runs]
    groups = group_runs(histories, keys)
    firsts = [keys.index(key) for key in groups]
    members = [runs[first] for first in firsts]
    numbered = ["mean"] if len(groups) == 1 else [f"group {place}" for place in range(1, len(groups) + 1)]
    given = [str(key) for key in groups] if drawing.options.labels else name_runs(members, numbered)
    labels = [
        f"{name} ({group.count} run{'s' * (group.count != 1)})".strip()
        for name, group in zip(given, groups.values(), strict=True)
    ]
    return (
        [group.mean for group in groups.values()],
        [group.spread for group in groups.values()],
        labels,
        members,
    )
