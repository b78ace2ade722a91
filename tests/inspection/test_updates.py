from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import assert_reports

from dlkit.errors import DataError
from dlkit.inspection.layer_table import COLUMNS
from dlkit.inspection.updates import read_updates, update_rows


def test_rows_are_those_of_pandas(trained_run: Path) -> None:
    ratios, notes = read_updates(trained_run / "best.safetensors")
    rows = pd.DataFrame(update_rows(ratios)).set_index("layer")

    probes = pd.read_csv(trained_run / "probes.csv")
    by_layer = probes[probes.signal == "update_ratio"].groupby("layer", sort=False)
    values = by_layer.value
    expected = pd.DataFrame(
        {
            "sampled": values.size(),
            "first": values.first(),
            "min": values.min(),
            "median": values.median(),
            "max": values.max(),
            "max_step": probes.step[values.idxmax()].to_numpy(),
            "last": values.last(),
        }
    )
    assert notes == []
    assert ("layer", *rows.columns) == COLUMNS["updates"]
    pd.testing.assert_frame_equal(rows, expected, check_dtype=False, check_exact=True)


def test_weights_that_start_at_zero_keep_their_place(run_copy: Path) -> None:
    lines = (run_copy / "probes.csv").read_text().splitlines()
    first = "1,hidden.0.linear.bias,update_ratio,"
    (run_copy / "probes.csv").write_text(
        "\n".join(line for line in lines if not line.startswith(first)) + "\n"
    )

    ratios, _ = read_updates(run_copy)

    assert list(ratios)[:2] == ["hidden.0.linear.weight", "hidden.0.linear.bias"]


def test_a_run_without_probes_is_refused(run_copy: Path) -> None:
    (run_copy / "probes.csv").unlink()
    with pytest.raises(DataError) as caught:
        read_updates(run_copy)
    assert_reports(caught.value, "probes.csv is missing", "sampled steps")


def test_a_row_that_is_cut_off_is_left_out_with_a_note(run_copy: Path) -> None:
    probes = run_copy / "probes.csv"
    whole = read_updates(run_copy)[0]
    probes.write_text(probes.read_text() + "9,output.weight,upd")

    ratios, notes = read_updates(run_copy)

    assert ratios == whole
    assert len(notes) == 1
    assert np.isfinite([value for points in ratios.values() for _, value in points]).all()
