"""Tables on terminals of any width: numbers whole, names shortened, the last columns left out and named."""

import re

import pytest

from dlkit.cli.tables import draw_table, fitting, format_column, format_number

LAYERS = ["hidden.0.linear.weight", "hidden.0.linear.bias", "output.weight"]
COLUMNS = ["layer", "norm", "smallest", "count", "note"]
ROWS = [
    [LAYERS[0], 1.23456, -7.72345e-06, 8192, "nothing to say"],
    [LAYERS[1], 0.5, 1e-09, 64, "a sentence of some length that explains at leisure what the row is about"],
    [LAYERS[2], 12.0, 0.0, None, ""],
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.12345, "0.1235"),
        (9.99999, "10.00"),
        (123456.7, "123457"),
        (1234567.0, "1.235e+06"),
        (-7.72345e-06, "-7.723e-06"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_a_number_has_four_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_numbers_of_one_size_have_the_same_decimals() -> None:
    assert format_column([0.5, 0.98765, 0.05]) == ["0.5000", "0.9877", "0.0500"]
    assert format_column([120.0, 0.5, None, float("nan")]) == ["120.00", "0.50", "", "nan"]


def test_numbers_far_apart_keep_their_own_digits() -> None:
    assert format_column([123.456, 1e-9, 0.0]) == ["123.5", "1.000e-09", "0"]


def test_whole_numbers_and_texts_are_kept() -> None:
    assert format_column([1234567, True, "a"]) == ["1234567", "True", "a"]
    assert format_column([1234567], thousands=",") == ["1,234,567"]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120, 200])
def test_lines_fit_and_numbers_are_whole(width: int) -> None:
    lines = list(draw_table(COLUMNS, ROWS, width))

    assert max(map(len, lines)) <= width
    for number in re.findall(r"[-\d.]*\d[-\de+.]*", " ".join(line[14:] for line in lines)):
        float(number.strip("."))


def test_a_wide_terminal_shows_everything() -> None:
    text = "\n".join(draw_table(COLUMNS, ROWS, 200))

    assert all(name in text for name in (*LAYERS, *COLUMNS, "-7.723e-06", "8,192"))
    assert ROWS[1][4] in text


def test_columns_are_left_out_from_the_right_and_named() -> None:
    header, _, *rest = draw_table([f"column{index}" for index in range(9)], [[0.5] * 9], 40)

    assert header.split() == ["column0", "column1", "column2", "column3"]
    assert [f"column{index}" for index in range(9) if f"column{index}" in " ".join(rest)] == [
        f"column{index}" for index in range(4, 9)
    ]


def test_names_lose_their_middle_before_a_column_goes() -> None:
    header, *rows = draw_table(["layer", "norm", "mean"], [[LAYERS[0], 1.0, 2.0], [LAYERS[1], 3.0, 4.0]], 30)

    assert header.split() == ["layer", "norm", "mean"]
    assert [row.split()[0] for row in rows] == ["hidden.0.li…weight", "hidden.0.line…bias"]


def test_sentences_stand_below_their_row_on_a_narrow_terminal() -> None:
    lines = list(draw_table(COLUMNS, ROWS, 50))

    below = " ".join(line.strip() for line in lines if line.startswith("    "))
    assert f"{COLUMNS[4]}: {ROWS[1][4]}" in below


def test_wide_characters_stay_in_their_column() -> None:
    lines = list(draw_table(["name", "n"], [["\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 3, 1], ["abc", 2]], 40))

    assert lines[1].endswith("  1")
    assert lines[2] == "abc     2"


def test_pieces_are_joined_while_they_fit() -> None:
    assert fitting(("epoch 1/2", "loss 0.5", "lr 0.1"), 20) == "epoch 1/2  loss 0.5"
    assert fitting(("epoch 1/2", "loss 0.5", "lr 0.1"), 5) == "epoch 1/2"
