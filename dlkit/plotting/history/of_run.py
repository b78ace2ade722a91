"""The curves that training draws into a run folder."""

from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir
from dlkit.plotting.figure_file import save_figure
from dlkit.plotting.history.axis_titles import read_axis_titles
from dlkit.plotting.history.curves import plot_history


def draw_run(run_dir: RunDir) -> None:
    """Draw the history of a run into its curves.png."""
    titles = read_axis_titles([run_dir.history])
    save_figure(
        plot_history([read_history(run_dir.history)], [run_dir.path.name], titles=titles), run_dir.curves
    )
