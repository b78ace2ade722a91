"""--search is taken apart, and what cannot be searched is refused."""

from typing import Any

import pytest

from dlkit.errors import ConfigError
from dlkit.settings.search import Plan, cell_of_grid, find_plan_faults, grid_size, parse_search


def plan(*searched: str, settings: dict[str, Any] | None = None, **others: Any) -> Plan:
    """A search of mlp on the digits."""
    defaults = {"arguments": {}, "file": {}, "sampler": "tpe", "pruner": "median", "trials": 5}
    return Plan(settings={"model": "mlp", **(settings or {})}, searched=searched, **{**defaults, **others})


@pytest.mark.parametrize(
    ("text", "low", "high", "log", "step"),
    [
        ("lr=1e-4..1e-1:log", 1e-4, 1e-1, True, None),
        ("weight-decay=0..0.1", 0.0, 0.1, False, None),
        ("s.dropout=0..0.5", 0.0, 0.5, False, None),
        ("s.dropout=0..0.5:0.2", 0.0, 0.4, False, 0.2),
        ("batch_size=16..256:log", 16, 256, True, None),
        ("batch_size=16..60:16", 16, 48, False, 16),
        ("epochs=2..5", 2, 5, False, 1),
        ("max_steps=1..1000000000", 1, 1000000000, False, 1),
    ],
)
def test_ranges(text: str, low: float, high: float, log: bool, step: float | None) -> None:
    found = parse_search(text, "mlp")

    assert (found.low, found.high, found.log, found.step) == (low, pytest.approx(high), log, step)
    assert found.whole == text.startswith(("batch", "epochs", "max"))


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("optimizer=sgd,adamw", ("sgd", "adamw")),
        ("lr=0.1,0.01", (0.1, 0.01)),
        ("batch_size=16,64", (16, 64)),
        ("nesterov=true,no", (True, False)),
        ("s.hidden=64;128,64", ("64", "128,64")),
        ("s.residual=true,false", (True, False)),
    ],
)
def test_choices(text: str, choices: tuple[object, ...]) -> None:
    assert parse_search(text, "mlp").choices == choices


def test_arguments_of_own_code_are_whole_where_written_so() -> None:
    assert parse_search("s.width=16..64", "net.py:Net").whole
    assert not parse_search("s.rate=0..0.5", "net.py:Net").whole
    assert parse_search("s.kind=a,b", "net.py:Net").choices == ("a", "b")


@pytest.mark.parametrize(
    ("text", "named", "hint"),
    [
        ("lr", "lr", "lr=1e-4"),
        ("lr=", "lr=", "lr=1e-4"),
        ("=1..2", "=1..2", "lr=1e-4"),
        ("learnrate=1..2", "learnrate", "choose from lr"),
        ("dropout=0..0.5", "dropout", "s.dropout"),
        ("s.droput=0..0.5", "droput", "dropout"),
        ("seed=0..9", "seed", "lr"),
        ("val=0.1..0.3", "val", "lr"),
        ("lr=..", "nothing", "lr=1e-4"),
        ("lr=a..b", "a is not a number", "lr=1e-4"),
        ("lr=1e-3..nan", "nan", "lr=1e-4"),
        ("batch_size=1.5..4", "1.5 is not a whole number", "lr=1e-4"),
        ("lr=0.1..0.1", "one value", "--lr 0.1"),
        ("s.dropout=0.5", "one value", "-s dropout=0.5"),
        ("lr=1e-1..1e-4:log", "begins above its end", "lr=1e-4..1e-1:log"),
        ("l1=0..1:log", "above 0", "l1=0.001..1:log"),
        ("lr=1..2:5", "step 5", "lr=1e-4"),
        ("lr=1..2:lgo", "lgo", "lr=1e-4"),
        ("optimizer=sgd..adamw", "optimizer", "optimizer=A,B"),
        ("optimizer=sgd,sgd", "twice", "lr=1e-4"),
        ("optimizer=sgd,", "empty", "lr=1e-4"),
        ("nesterov=yes,maybe", "maybe", "nesterov=true,false"),
    ],
)
def test_what_is_no_range_is_refused(text: str, named: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_search(text, "mlp")

    assert named in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("faulty", "named"),
    [
        (plan("lr=-1..1"), "--lr -1"),
        (plan("lr=0.1..1", "optimizer=sgd,adamm"), "--search optimizer=sgd,adamm: --optimizer adamm"),
        (plan("s.dropout=0..2"), "--search s.dropout=0..2: -s dropout=2"),
        (plan("s.dropout=-1..0.5"), "--search s.dropout=-1..0.5: -s dropout=-1"),
        (plan("lr=-1..1"), "--search lr=-1..1: --lr -1"),
        (plan("lr=0.1..1", settings={"lr": 0.1}), "--lr is typed and searched"),
        (plan("s.dropout=0..0.5", arguments={"dropout": "0.1"}), "-s dropout is typed and searched"),
        (plan("lr=0.1..1", "lr=1..2"), "--search has lr twice"),
        (plan("lr=0.1..1", sampler="tep"), "--sampler tep"),
        (plan("lr=0.1..1", pruner="medain"), "--pruner medain"),
        (plan("lr=0.1..1", trials=0), "--trials 0"),
        (plan("lr=0.1..1", sampler="grid"), "--sampler grid"),
        (plan("optimizer=sgd,adamw", sampler="cmaes"), "--sampler cmaes"),
        (plan("label_smoothing=0..0.2"), "--search label_smoothing=0..0.2"),
    ],
)
def test_what_does_not_go_together_is_refused(faulty: Plan, named: str) -> None:
    (fault,) = find_plan_faults(faulty)

    assert named in fault.message
    assert fault.hint


def test_settings_of_a_trial_follow_what_was_drawn() -> None:
    config = plan(
        "optimizer=sgd,adamw", "s.hidden=64;128,64", "lr=0.1..1", arguments={"dropout": "0.2"}
    ).config({"optimizer": "adamw", "s.hidden": "128,64", "lr": 0.5})

    assert (config.optimizer, config.lr, config.plot) == ("adamw", 0.5, False)
    assert config.arguments["hidden"] == (128, 64)
    assert config.arguments["dropout"] == 0.2


def test_the_rate_follows_a_drawn_optimizer_as_one_that_is_typed() -> None:
    searched = plan("optimizer=sgd,adamw")

    assert [searched.config({"optimizer": name}).lr for name in ("sgd", "adamw")] == [0.01, 1e-3]


def test_a_typed_setting_wins_over_what_a_search_leaves_out() -> None:
    assert plan("lr=0.1..1", settings={"plot": True}).config().plot


def test_grid_counts_its_combinations() -> None:
    space = plan("optimizer=sgd,adamw", "s.dropout=0..0.5:0.1", "epochs=1..3").space

    assert grid_size(space) == 2 * 6 * 3
    assert [space[1].value(n) for n in range(space[1].count)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    cells = [tuple(cell_of_grid(space, n).values()) for n in range(36)]
    assert cells[:4] == [("sgd", 0.0, 1), ("sgd", 0.0, 2), ("sgd", 0.0, 3), ("sgd", 0.1, 1)]
    assert len(set(cells)) == 36
