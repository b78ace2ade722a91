from dlkit.files.foreign_history import ForeignHistory
from dlkit.files.history import History
from dlkit.plotting.history.panels import choose_panels
from dlkit.plotting.history.terminal import draw_terminal


def drawn(columns, width=30, **options):
    histories = columns if isinstance(columns, list) else [columns]
    histories = [History(one) for one in histories]
    panels = choose_panels(histories, ["loss"])
    lines = draw_terminal(histories, panels, x="epoch", width=width, **options)
    return ["".join(text for text, _ in line) for line in lines], lines


def test_falling_line_goes_from_the_upper_left_to_the_lower_right():
    text, lines = drawn({"epoch": [1, 2, 3], "val_loss": [2.0, 1.0, 0.0]})
    assert text[0].strip() == "loss"
    assert "2 │⠑" in text[1]
    assert text[9].rstrip().endswith("⢄")
    assert "0 │" in text[9]
    assert text[-1].split() == ["1", "epoch", "3"]
    assert {series for line in lines for _, series in line} == {"", "val"}


def test_gaps_and_infinities_are_not_drawn():
    text, _ = drawn({"epoch": [1, 2, 3, 4], "val_loss": [1.0, None, float("inf"), 1.0]})
    dots = "".join(line[11:] for line in text[1:-1]).replace(" ", "")
    assert len(dots) == 2


def test_sparse_rows_of_other_programs_are_a_line():
    def dots(kind):
        history = kind({"epoch": [1, 2, 3], "val_loss": [1.0, None, 1.0]})
        lines = draw_terminal([history], choose_panels([history]), x="epoch", width=30)
        return sum(ord(char) > 0x2800 for line in lines for text, _ in line for char in text)

    assert (dots(History), dots(ForeignHistory)) == (2, 19)


def test_logarithmic_axis_makes_decades_equal():
    text, _ = drawn({"epoch": [1, 2, 3], "val_loss": [100.0, 10.0, 1.0]}, log_y=True)
    straight, _ = drawn({"epoch": [1, 2, 3], "val_loss": [2.0, 1.0, 0.0]})
    assert [line[11:] for line in text[1:10]] == [line[11:] for line in straight[1:10]]


def test_runs_are_told_apart_by_their_place_and_no_line_is_too_long():
    runs = [{"epoch": [1, 2], "train_loss": [1.0, value], "val_loss": [2.0, value]} for value in (0.5, 0.1)]
    text, lines = drawn(runs, width=40)
    assert {series for line in lines for _, series in line} == {"", "0", "1"}
    assert max(map(len, text)) <= 40


def test_single_epoch_is_a_dot_in_the_middle():
    text, _ = drawn({"epoch": [1], "val_loss": [1.0]})
    assert len("".join(line[11:] for line in text[1:-1]).replace(" ", "")) == 1
