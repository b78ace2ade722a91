"""Measure the diagnosis: faults and healthy variants of many bases through the real commands.

    python -m tests.benchmarks.diagnosis --quick
    python -m tests.benchmarks.diagnosis --part first --part second --seeds 2 --runs DIR --reuse
    python -m tests.benchmarks.diagnosis --part sixth --seeds 1 --first-seed 31 --misses --json FILE

Thresholds were set by what the parts `first` and `second` show; `heldout` has other faults on other bases, written
after a first freeze and known since, `third`, `fourth`, `fifth` and `sixth` those written before later ones without
sight of how the rules decide; `mixed` has the faults of one part on the bases of another. A fault counts where the
last validation metric is worse than the band of the healthy runs.

At the commit "diagnosis: a run that early stopping ended is told to raise --patience": harmful runs of `sixth`
detected 143/157, right primary cause 135/157, cured 125/143, healthy runs with a warning 0/452 (seed 31).
At "diagnosis benchmark: a rate and a length for organs at which healthy runs agree": 130/149, 103/149, 92/130 and
5/400 of `fifth` (seed 23).
At "splits: one check of the split file of a run, one rule for splits at random": 142/156, 121/156, 107/142 and 0/425
of `fourth` (seed 11).
At "diagnosis: balanced accuracy of few samples must stay further behind simple methods": 111/119, 93/119, 82/111
and 2/438 of `third` (seed 7). At "diagnosis: thresholds frozen anew": 304/313, 295/313 and 1/797 of `first` and
`second`; 87/103, 66/103 and 6/413 of `heldout`. docs/diagnosis.md has intervals.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.diagnosis.bases import BASES
from tests.benchmarks.diagnosis.cases import Case
from tests.benchmarks.diagnosis.faults import fault_cases
from tests.benchmarks.diagnosis.fifth.bases import FIFTH_BASES
from tests.benchmarks.diagnosis.fourth.bases import FOURTH_BASES
from tests.benchmarks.diagnosis.healthy import healthy_cases
from tests.benchmarks.diagnosis.heldout.bases import HELDOUT_BASES
from tests.benchmarks.diagnosis.runs import Outcome, prepare, run_all
from tests.benchmarks.diagnosis.score import cause_of, family_rows, is_detected, is_right, summarise
from tests.benchmarks.diagnosis.sixth.bases import SIXTH_BASES
from tests.benchmarks.diagnosis.third.bases import THIRD_BASES
from tests.benchmarks.diagnosis.truth import Judged, judge

QUICK = ("digits-mlp", "cancer", "friedman")
QUICK_PARTS = ("first",)
PARTS = ("first", "second", "heldout", "third", "fourth", "fifth", "sixth", "mixed")
ALL_BASES = (*BASES, *HELDOUT_BASES, *THIRD_BASES, *FOURTH_BASES, *FIFTH_BASES, *SIXTH_BASES)


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = (asked.runs or Path(folder)).resolve()
        start = time.monotonic()
        cases = choose_cases(asked)
        outcomes = _run(cases, root, asked)
        if asked.train_only:
            print(f"{len(outcomes)} runs in {time.monotonic() - start:.0f} s")
            return
        runs = judge(cases, outcomes)
        cured = {} if asked.no_cures else _cure(runs, root, asked)
        report = _report(runs, cured, time.monotonic() - start, asked)
    _print(report, asked)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--part", choices=PARTS, action="append", help="repeatable; default: all, or first with --quick"
    )
    parser.add_argument("--quick", action="store_true", help=f"one seed of {', '.join(QUICK)}")
    parser.add_argument("--bases", default="", help="only these, separated by commas")
    parser.add_argument("--only", default="", help="only faults and variants whose name contains this")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=Path, help="keep the runs there")
    parser.add_argument("--reuse", action="store_true", help="do not train again what --runs holds")
    parser.add_argument("--train-only", action="store_true", help="leave the diagnosis to a later --reuse")
    parser.add_argument("--no-cures", action="store_true", help="do not try the cures")
    parser.add_argument(
        "--misses", action="store_true", help="list what was missed, wrongly named, or a false alarm"
    )
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def parts_of(asked: argparse.Namespace) -> tuple[str, ...]:
    """Return the parts that are asked for: all, but of the quick set that of its bases."""
    return tuple(asked.part or (QUICK_PARTS if asked.quick else PARTS))


def choose_cases(asked: argparse.Namespace) -> list[Case]:
    """Return the runs of the parts, with the healthy runs that they are compared with."""
    parts = parts_of(asked)
    names = QUICK if asked.quick else tuple(filter(None, asked.bases.split(",")))
    seeds = range(asked.first_seed, asked.first_seed + (1 if asked.quick else asked.seeds))
    bases = [base for base in ALL_BASES if not names or base.name in names]
    faults = [case for base in bases for case in fault_cases(base, seeds) if case.part in parts]
    needed = {case.base.name for case in faults} | {base.name for base in bases if base.part in parts}
    healthy = [case for base in bases if base.name in needed for case in healthy_cases(base, seeds)]
    return [case for case in (*healthy, *faults) if asked.only in case.name or case.name == "base"]


def _run(cases: Iterable[Case], root: Path, asked: argparse.Namespace) -> dict[str, Outcome]:
    jobs = [prepare(case, root) for case in cases]
    outcomes = run_all(jobs, asked.processes, reuse=asked.reuse, diagnose=not asked.train_only)
    return {outcome.key: outcome for outcome in outcomes}


def _cure(runs: Iterable[Judged], root: Path, asked: argparse.Namespace) -> dict[str, Outcome]:
    """Train every detected harmful run again with the cure of its primary cause, and nothing else.

    A cure without an option says what to change in the code or the data; where its cause is right, that is done.
    """
    jobs = []
    for run in runs:
        if run.truth != "harmful" or not is_detected(run):
            continue
        if run.outcome.cure is not None:
            jobs.append(prepare(run.case, root, [run.outcome.cure], "cure"))
        elif is_right(run) and (mended := run.case.mended()) is not None:
            jobs.append(prepare(mended, root, name="mended"))
    return {
        outcome.key: outcome for outcome in run_all(jobs, asked.processes, reuse=asked.reuse, diagnose=False)
    }


def _report(
    runs: list[Judged], cured: dict[str, Outcome], seconds: float, asked: argparse.Namespace
) -> dict[str, Any]:
    parts = parts_of(asked)
    chosen = {part: [run for run in runs if run.case.part == part] for part in parts}
    return {
        "seconds": seconds,
        "runs": len(runs),
        "figures": {
            part: {
                name: share.to_dict() | {"text": str(share)}
                for name, share in summarise(members, cured).items()
            }
            for part, members in chosen.items()
            if members
        },
        "families": {part: family_rows(members, cured) for part, members in chosen.items()},
        "bands": {run.case.band: {"median": run.band.median, "floor": run.band.floor} for run in runs},
        "wrong": [_line(run) for part in parts for run in chosen[part] if _is_wrong(run)],
    }


def _is_wrong(run: Judged) -> bool:
    if run.truth == "harmful":
        return not is_right(run)
    return run.truth == "failed" or (run.truth == "healthy" and is_detected(run))


def _line(run: Judged) -> dict[str, Any]:
    primary = run.outcome.primary
    return {
        "run": run.case.key,
        "truth": run.truth,
        "value": run.outcome.value,
        "floor": run.band.floor,
        "right": list(run.case.causes),
        "primary": None if primary is None else cause_of(primary),
        "warnings": [cause_of(finding) for finding in run.outcome.warnings],
        "message": "" if primary is None else primary["message"],
    }


def _print(report: dict[str, Any], asked: argparse.Namespace) -> None:
    print(f"{report['runs']} runs in {report['seconds']:.0f} s")
    for part, figures in report["figures"].items():
        print(f"\n{part}")
        for name, share in figures.items():
            print(f"  {name:62} {share['text']}")
        columns = ("family", "runs", "harmful", "detected", "right", "cures", "cured")
        print("\n  " + f"{columns[0]:22}" + "".join(f"{column:>10}" for column in columns[1:]))
        for row in report["families"][part]:
            print("  " + f"{row['family']:22}" + "".join(f"{row[column]:>10}" for column in columns[1:]))
    if asked.misses:
        print("\nmissed, wrongly named, or a false alarm")
        for line in report["wrong"]:
            said = f"{line['primary']}: {line['message']}" if line["primary"] else "silent"
            print(f"  {line['run']} ({line['truth']}, {' or '.join(line['right']) or 'none'}): {said}")


if __name__ == "__main__":
    main()
