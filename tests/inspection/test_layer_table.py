import math

import pytest

from dlkit.errors import ConfigError
from dlkit.inspection.layer_table import COLUMNS, arrange, check_column, select_layers, to_csv

ROWS = [
    {"layer": "b", "norm": 1.0, "dead": None},
    {"layer": "a", "norm": 3.0, "dead": 0.5},
    {"layer": "c", "norm": None, "dead": 0.0},
    {"layer": "d", "norm": 2, "dead": 0.75},
]


@pytest.mark.parametrize(
    ("column", "top", "order"),
    [
        (None, None, "bacd"),
        (None, 2, "ba"),
        ("norm", None, "adbc"),
        ("norm", 1, "a"),
        ("dead", None, "dacb"),
        ("layer", None, "abcd"),
        ("layer", 9, "abcd"),
    ],
)
def test_arrange_sorts_numbers_down_and_names_up(column: str | None, top: int | None, order: str) -> None:
    assert "".join(str(row["layer"]) for row in arrange(ROWS, column, top)) == order


def test_select_layers_keeps_the_network_order() -> None:
    names = ["b.weight", "b.bias", "a.weight"]

    assert select_layers(names, "*.weight") == ["b.weight", "a.weight"]
    assert select_layers(names, None) == names


def test_select_layers_lists_the_layers_when_none_matches() -> None:
    with pytest.raises(ConfigError) as caught:
        select_layers(["a.weight", "a.bias"], "hidden*")

    assert "--layers hidden* " in caught.value.message
    assert "a.weight, a.bias" in caught.value.hint


def test_select_layers_lists_twenty_at_most() -> None:
    with pytest.raises(ConfigError) as caught:
        select_layers([f"layer{index}" for index in range(30)], "x")

    assert "layer19" in caught.value.hint
    assert "layer20" not in caught.value.hint
    assert "10 more" in caught.value.hint


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_column_can_be_sorted_by(kind: str) -> None:
    for column in (None, *COLUMNS[kind]):
        check_column(kind, column)


@pytest.mark.parametrize(
    ("kind", "column", "hint"),
    [("grads", "nrom", "norm?"), ("weights", "grad_to_weight", ""), ("acts", "deat", "dead?")],
)
def test_unknown_column_is_refused_with_the_columns(kind: str, column: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_column(kind, column)

    assert caught.value.message.startswith(f"--sort {column} ")
    assert ", ".join(COLUMNS[kind]) in caught.value.message
    assert hint in caught.value.hint


def test_csv_has_full_numbers_and_empty_cells() -> None:
    rows = [{"layer": "a,b", "norm": 1 / 3, "dead": None}, {"layer": "c", "norm": 0, "dead": math.inf}]

    assert to_csv(("layer", "norm", "dead"), rows) == b'layer,norm,dead\n"a,b",0.3333333333333333,\nc,0,inf\n'
