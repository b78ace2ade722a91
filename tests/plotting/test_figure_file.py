from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from refusals import assert_reports

from dlkit.errors import ConfigError, DlkitError
from dlkit.plotting.figure_file import figure_bytes, figure_format, save_figure
from dlkit.plotting.history.curves import plot_history

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.mark.parametrize("kind", MAGIC)
def test_save_figure_writes_what_the_suffix_says(tmp_path, history, kind):
    path = tmp_path / f"curves.{kind}"
    save_figure(plot_history([history(3)], [""]), path)
    assert path.read_bytes().startswith(MAGIC[kind])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", MAGIC)
@pytest.mark.quick(1)
def test_figure_bytes_are_the_same_when_drawn_again(history, kind):
    first, second = (figure_bytes(plot_history([history(3)], [""]), kind) for _ in range(2))
    assert first == second


def test_figure_bytes_hold_no_date_and_no_tool_version(history):
    figure = plot_history([history(3)], [""])
    for kind in MAGIC:
        data = figure_bytes(figure, kind)
        assert mpl.__version__.encode() not in data
        assert b"CreationDate" not in data
        assert b"dc:date" not in data


def test_figure_bytes_keep_letters_as_letters(history):
    figure = plot_history([history(3)], [""])
    assert b">accuracy</text>" in figure_bytes(figure, "svg")
    pdf = figure_bytes(figure, "pdf")
    assert b"/Type42" in pdf or b"/TrueType" in pdf or b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_figure_bytes_are_those_of_the_house_style_whatever_the_user_has_set(history):
    expected = figure_bytes(plot_history([history(3)], [""]))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        assert figure_bytes(plot_history([history(3)], [""])) == expected


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "png"), ("a.PNG", "png"), ("a.b.svg", "svg"), ("x/a.pdf", "pdf")]
)
def test_figure_format_is_that_of_the_suffix(name, kind):
    assert figure_format(Path(name)) == kind


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("a.gif", "-o a.gif ", "-o a.png"),
        ("a.pgn", "-o a.pgn ", ".png?"),
        ("", "-o . ", "-o curves.png"),
    ],
)
def test_figure_format_refuses_other_suffixes(name, message, hint):
    with pytest.raises(ConfigError) as caught:
        figure_format(Path(name))
    assert_reports(caught.value, message, ".png, .svg, .pdf", hint)


def test_save_figure_leaves_the_old_figure_when_it_cannot_write(tmp_path):
    with pytest.raises(DlkitError, match="no such file or directory") as caught:
        save_figure(Figure(), tmp_path / "missing" / "a.png")
    assert caught.value.exit_code == 1
