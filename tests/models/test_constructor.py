"""How a constructor of the user's own is filled: by what was typed, by what the data tell."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
from descriptions import OF_CLASSES, OF_NUMBERS
from refusals import assert_reports
from torch import nn

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription, Normalisation
from dlkit.models.constructor import known_of_data, plan_call
from dlkit.settings.spec import CodeSpec

CODE = CodeSpec(Path("/x/net.py"), "Net")
IMAGES = replace(OF_CLASSES, input_shape=(3, 8, 9))


def taking(**annotations: Any) -> Any:
    """A function with parameters of these annotations; a pair is an annotation and a default."""

    def function(**_: Any) -> None: ...

    empty = inspect.Parameter.empty
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=kind[0] if isinstance(kind, tuple) else kind,
            default=kind[1] if isinstance(kind, tuple) else empty,
        )
        for name, kind in annotations.items()
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


NONE = inspect.Parameter.empty


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "64", 64),
        (float, "1e-3", 1e-3),
        (bool, "yes", True),
        (str, "64", "64"),
        (int | None, "none", None),
        (Optional[str], "none", None),  # noqa: UP045 - as older code has it
        (str | int, "3", 3),
        (str | int, "three", "three"),
        (list[int], "1,2", [1, 2]),
        (list[int], "", []),
        (tuple[int, ...], "5", (5,)),
        (Sequence[int], "1,2", (1, 2)),
        (list, "1,a", [1, "a"]),
        (Literal["relu", "gelu"], "gelu", "gelu"),
        (Literal[1, 2], "2", 2),
        (nn.Module, "3", 3),
        (NONE, "0.5", 0.5),
        (NONE, "none", None),
        (NONE, "8,16", (8, 16)),
        (NONE, "relu", "relu"),
        ((NONE, 3), "7", 7),
        ((NONE, 0.1), "7", 7.0),
        ((NONE, "relu"), "7", "7"),
        ((NONE, (1, 2)), "3,4", (3, 4)),
        ((NONE, [0.5]), "3", [3.0]),
        ((NONE, ()), "3,x", (3, "x")),
        ((NONE, None), "3", 3),
    ],
    ids=str,
)
def test_a_text_is_read_by_annotation_then_by_default_then_by_looks(kind: Any, text: str, value: Any) -> None:
    found = plan_call(CODE, taking(option=kind), OF_CLASSES, {"option": text}).values["option"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "kind_named", "hint"),
    [
        ((int, 3), "many", "whole number", "3"),
        (float, "x", "number", ""),
        ((bool, True), "2", "true or false", "true"),
        (list[int], "1,x", "list of whole numbers", ""),
        (int | None, "x", "none or a whole number", ""),
        (Literal["relu", "gelu"], "tanh", "relu or gelu", ""),
        ((NONE, (1, 2)), "a", "list of whole numbers", "1,2"),
    ],
    ids=str,
)
def test_a_text_of_another_kind_is_refused(kind: Any, text: str, kind_named: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_call(CODE, taking(option=kind), OF_CLASSES, {"option": text})

    assert_reports(caught.value, f"-s option={text}", kind_named, hint)


@pytest.mark.parametrize(
    ("description", "name", "value"),
    [
        (OF_CLASSES, "in_features", 4),
        (OF_CLASSES, "input_dim", 4),
        (OF_CLASSES, "num_classes", 3),
        (OF_CLASSES, "class_names", ("a", "b", "c")),
        (OF_NUMBERS, "num_outputs", 1),
        (OF_NUMBERS, "output_dim", 1),
        (OF_NUMBERS, "target_shape", (1,)),
        (IMAGES, "in_channels", 3),
        (IMAGES, "input_shape", (3, 8, 9)),
        (IMAGES, "in_features", 216),
        (IMAGES, "description", IMAGES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_data_fill_what_bears_their_names(description: DataDescription, name: str, value: Any) -> None:
    planned = plan_call(CODE, taking(**{name: (int, 99)}), description, {})

    assert planned.values == {name: value}
    assert planned.kept == {}


def test_what_the_data_do_not_have_is_not_filled() -> None:
    assert "in_channels" not in known_of_data(OF_CLASSES)
    assert "num_classes" not in known_of_data(OF_NUMBERS)


def test_what_was_typed_wins_over_the_data() -> None:
    planned = plan_call(CODE, taking(num_classes=int), OF_CLASSES, {"num_classes": "5"})

    assert planned.values == planned.kept == {"num_classes": 5}


def test_plain_defaults_are_kept_and_all_is_shown() -> None:
    target = taking(
        in_features=int, width=(int, 64), act=(NONE, nn.ReLU), dropout=(float, 0.1), layers=list[int]
    )

    planned = plan_call(CODE, target, OF_CLASSES, {"dropout": "0.5", "layers": "1,2"})

    assert planned.values == {"in_features": 4, "dropout": 0.5, "layers": [1, 2]}
    assert planned.kept == {"width": 64, "dropout": 0.5, "layers": (1, 2)}
    for part in ("net.py:Net", "in_features=4", "dropout=0.5", "layers=1,2", "width=64"):
        assert part in planned.shown()
    assert plan_call(CODE, target, OF_CLASSES, planned.kept).values["dropout"] == 0.5


def test_what_no_file_can_hold_stays_as_it_was_typed() -> None:
    planned = plan_call(CODE, taking(width=int | None), OF_CLASSES, {"width": "none"})

    assert planned.values == {"width": None}
    assert planned.kept == {"width": "none"}


def test_wrong_and_missing_arguments_are_reported_together_with_what_there_is() -> None:
    target = taking(in_features=int, width=int, depth=(int, 2))

    with pytest.raises(ConfigError) as caught:
        plan_call(CODE, target, OF_CLASSES, {"widht": "3", "depth": "x"})

    unknown, wrong, missing = caught.value.faults
    for fault in (unknown, missing):
        assert_reports(fault, "net.py:Net", "in_features: int", "width: int", "depth: int = 2")
    assert_reports(unknown, "-s widht=3", "did you mean width")
    assert_reports(wrong, "-s depth=x", "whole number")
    assert_reports(missing, "-s width=")


def test_a_constructor_that_takes_anything_is_given_anything() -> None:
    def build(width: int, **others: Any) -> None: ...

    planned = plan_call(CODE, build, OF_CLASSES, {"width": "3", "rate": "0.5", "name": "x"})

    assert planned.values == {"width": 3, "rate": 0.5, "name": "x"}


def test_a_class_without_a_constructor_takes_nothing() -> None:
    class Plain(nn.Module):
        pass

    with pytest.raises(ConfigError) as caught:
        plan_call(CODE, Plain, OF_CLASSES, {"width": "3"})

    assert_reports(caught.value, "-s width=3", "net.py:Net", "no arguments")


def test_annotations_that_cannot_be_resolved_are_passed_over() -> None:
    def build(width: "Missing" = 3) -> None: ...  # type: ignore[name-defined] # noqa: F821

    assert plan_call(CODE, build, OF_CLASSES, {"width": "4"}).values == {"width": 4}


SEQUENCES = replace(
    OF_CLASSES,
    kind="arrays",
    input_shape=(24, 5),
    normalisation=Normalisation(scale=1.0, mean=(0.0,) * 5, std=(1.0,) * 5, axis=2),
)
CODES = replace(OF_CLASSES, kind="arrays", input_shape=(12,), input_dtype="int64", learned={"codes": 50})


@pytest.mark.parametrize(
    ("description", "names", "values"),
    [
        (OF_CLASSES, ("input_size", "output_size", "num_class"), (4, 3, 3)),
        (SEQUENCES, ("input_size", "seq_len", "input_dim", "in_features"), (5, 24, 5, 120)),
        (IMAGES, ("n_channels", "in_chans", "input_size"), (3, 3, 216)),
        (CODES, ("vocab_size", "max_len"), (50, 12)),
    ],
    ids=["rows", "sequences", "images", "codes"],
)
def test_other_names_are_filled_in_where_they_are_needed(
    description: Any, names: tuple[str, ...], values: tuple[int, ...]
) -> None:
    empty = inspect.Parameter.empty
    call = plan_call(CODE, taking(**dict.fromkeys(names, empty)), description, {})

    assert tuple(call.values[name] for name in names) == values


def test_ambiguous_names_keep_their_default_and_unknown_ones_have_an_example() -> None:
    call = plan_call(CODE, taking(input_size=(int, 28), channels=(int, 64)), IMAGES, {})
    with pytest.raises(ConfigError) as caught:
        plan_call(CODE, taking(hidden_size=int, num_layers=int, colour=str), OF_CLASSES, {})

    assert dict(call.values) == {}
    assert caught.value.hint == "add -s hidden_size=64 -s num_layers=2 -s colour=VALUE"
