"""The counting of the diagnosis benchmark, by hand."""

import csv

import pytest

from dlkit.diagnosis.table import RULES
from tests.benchmarks.diagnosis.__main__ import ALL_BASES
from tests.benchmarks.diagnosis.bases import BASES, Base
from tests.benchmarks.diagnosis.cases import Case, Change
from tests.benchmarks.diagnosis.data import CHANGES, write_data
from tests.benchmarks.diagnosis.faults import FAULTS, fault_cases
from tests.benchmarks.diagnosis.fifth.bases import FIFTH_BASES
from tests.benchmarks.diagnosis.fifth.faults import FIFTH_FAULTS
from tests.benchmarks.diagnosis.fourth.bases import FOURTH_BASES
from tests.benchmarks.diagnosis.fourth.faults import FOURTH_FAULTS
from tests.benchmarks.diagnosis.healthy import healthy_cases
from tests.benchmarks.diagnosis.heldout.faults import HELDOUT_FAULTS
from tests.benchmarks.diagnosis.runs import Outcome
from tests.benchmarks.diagnosis.score import summarise, wilson
from tests.benchmarks.diagnosis.sixth.bases import SIXTH_BASES
from tests.benchmarks.diagnosis.sixth.faults import SIXTH_FAULTS
from tests.benchmarks.diagnosis.third.bases import THIRD_BASES
from tests.benchmarks.diagnosis.third.faults import THIRD_FAULTS
from tests.benchmarks.diagnosis.truth import judge

ALL_FAULTS = (*FAULTS, *HELDOUT_FAULTS, *THIRD_FAULTS, *FOURTH_FAULTS, *FIFTH_FAULTS, *SIXTH_FAULTS)
BASE = Change()
CHANGED_IN_VALIDATION = {
    "sorted",
    "shuffled-validation",
    "split-by-feature",
    "split-in-order",
    "encoded-anew",
}
WARNING = {"rule": "lr_low", "level": "warning", "cause": True, "message": "", "cure": None}


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Brown, Cai and DasGupta (2001) and scipy.stats.binomtest(...).proportion_ci(method="wilson").
        (0, 400, 0.0, 0.0095126),
        (1, 10, 0.0178762, 0.4041500),
        (95, 100, 0.8882495, 0.9784561),
        (10, 10, 0.7224672, 1.0),
    ],
)
def test_wilson_interval_is_that_of_scipy(count, total, low, high):
    assert wilson(count, total) == pytest.approx((low, high), abs=1e-6)


def test_a_fault_counts_only_where_the_metric_is_worse_than_the_band():
    base = BASES[0]
    healthy = [_case(base, f"variant-{index}") for index in range(5)]
    harmful, harmless, diverged = (_case(base, name, ("lr_low",)) for name in ("a", "b", "c"))
    cases, values = [*healthy, harmful, harmless], (0.95, 0.96, 0.95, 0.94, 0.5, 0.9, 0.93)
    outcomes = {case.key: _outcome(case, value) for case, value in zip(cases, values, strict=True)}
    outcomes[diverged.key] = _outcome(diverged, None, code=5)
    runs = judge([*cases, diverged], outcomes)
    assert [run.truth for run in runs] == ["healthy"] * 4 + ["weak", "harmful", "harmless", "harmful"]
    assert runs[0].band.median == 0.95
    assert runs[0].band.floor == pytest.approx(0.95 - 3 * 1.4826 * 0.01)  # the median deviation is 0.01


def test_detection_causes_alarms_and_cures_are_counted():
    base = BASES[0]
    healthy = [_case(base, f"variant-{index}") for index in range(4)]
    faults = [
        _case(base, "right", ("lr_low",)),
        _case(base, "wrong", ("dead",)),
        _case(base, "words", ("lr_low",)),
        _case(base, "silent", ("nan",)),
    ]
    outcomes = {case.key: _outcome(case, 0.95) for case in healthy}
    outcomes[healthy[3].key] = _outcome(healthy[3], 0.95, findings=[WARNING])
    printed = WARNING | {"cure": {"option": "--lr", "value": 0.1}}
    for case, findings in zip(faults, ([printed], [printed], [WARNING], []), strict=True):
        outcomes[case.key] = _outcome(case, 0.1, findings=findings)
    cured = {
        case.key: _outcome(case, value) for case, value in zip(faults[:3], (0.95, 0.2, 0.95), strict=True)
    }
    figures = summarise(judge([*healthy, *faults], outcomes), cured)
    counts = {name: (share.count, share.total) for name, share in figures.items()}
    assert counts["harmful runs detected"] == (3, 4)
    assert counts["right primary cause"] == (2, 4)
    assert counts["healthy runs with a warning"] == (1, 4)
    assert counts["healthy runs with a warning while training"] == (0, 4)
    assert counts["cured by the printed option, of the detected that print one"] == (1, 2)
    assert counts["cured in code or data, of the detected that print words"] == (1, 1)
    assert counts["cured, of all detected"] == (2, 3)


def test_a_cure_in_words_takes_out_the_fault_alone():
    in_code = _case(BASES[1], "x", ("dead",), Change(arguments={"fault": "detached", "act": "tanh"}))
    in_data = _case(BASES[1], "x", ("labels",), Change(data="shuffled", settings={"lr": 0.1}))
    assert in_code.mended().change == Change(arguments={"act": "tanh"})
    assert in_data.mended().change == Change(settings={"lr": 0.1})
    assert _case(BASES[1], "x", ("lr_low",), Change(settings={"lr": 0.1})).mended() is None


def test_parts_share_neither_families_nor_bases():
    for base in ALL_BASES:
        for case in fault_cases(base, range(1)):
            family = next(fault.part for fault in ALL_FAULTS if fault.name == case.name)
            assert case.part == (base.part if family == base.part else "mixed")
    names = [base.name for base in ALL_BASES] + [fault.name for fault in ALL_FAULTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("own_bases", "own_faults"),
    [
        (THIRD_BASES, THIRD_FAULTS),
        (FOURTH_BASES, FOURTH_FAULTS),
        (FIFTH_BASES, FIFTH_FAULTS),
        (SIXTH_BASES, SIXTH_FAULTS),
    ],
    ids=["third", "fourth", "fifth", "sixth"],
)
def test_a_part_names_bases_and_rules_that_there_are(own_bases, own_faults):
    bases = {base.name for base in own_bases}
    rules = {rule.name for rule in RULES}
    for fault in own_faults:
        assert fault.bases
        assert bases.issuperset(fault.bases)
        assert rules.issuperset(fault.causes)
        assert all(fault.fits(base) for base in own_bases if base.name in fault.bases)
    assert all(any(fault.fits(base) for fault in own_faults) for base in own_bases)


def test_every_run_has_a_folder_of_its_own():
    keys = [
        case.key
        for base in ALL_BASES
        for cases in (healthy_cases, fault_cases)
        for case in cases(base, range(2))
    ]
    assert len(set(keys)) == len(keys)


def test_a_cure_replaces_the_option_of_the_run():
    case = _case(BASES[0], "lr-high", ("lr_high",), Change(settings={"lr": 9.0}))
    words = case.words(["--data", "digits"], "run", [("--lr", "0.01"), ("-s", "activation=relu")])
    assert words[words.index("--lr") + 1] == "0.01"
    assert words.count("--lr") == 1
    assert "activation=relu" in words
    left_out = case.words(["--data", "digits"], "run", [("--lr", "None"), ("--ema", "True")])
    assert "--lr" not in left_out
    assert "--ema" in left_out


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The validation rows of a set in which nothing is wrong."""
    folder = tmp_path_factory.mktemp("clean")
    write_data(folder, "noisy", "clean", "csv")
    return _validation(folder / "noisy-clean.csv")


@pytest.mark.parametrize("change", sorted(CHANGES.keys() - CHANGED_IN_VALIDATION - {"target-units"}))
def test_labels_that_judge_are_right_whatever_the_change(change, clean, tmp_path):
    write_data(tmp_path, "noisy", change, "csv")
    changed = _validation(tmp_path / f"noisy-{change}.csv")
    assert len(changed) == len(clean) or "imbalance" in change
    if "imbalance" not in change:
        assert [row["y"] for row in changed] == [row["y"] for row in clean]


def _validation(stem):
    splits = [row["split"] for row in csv.DictReader(stem.with_suffix(".split").read_text().splitlines())]
    rows = list(csv.DictReader(stem.with_suffix(".csv").read_text().splitlines()))
    return [row for row, split in zip(rows, splits, strict=True) if split == "val"]


def _case(base: Base, name: str, causes: tuple[str, ...] = (), change: Change = BASE) -> Case:
    return Case(base=base, name=name, change=change, seed=0, causes=causes, part=base.part)


def _outcome(case: Case, value: float | None, code: int = 0, findings=()) -> Outcome:
    return Outcome(key=case.key, code=code, value=value, findings=list(findings), message="", seconds=1.0)
