"""Codes for missing values among numbers: found where they lie far from the rest, and nowhere else."""

import numpy as np
import pytest

from dlkit.data.tables.suspects import find_suspects

NORMAL = np.random.default_rng(0).normal(15, 6, 200)
CASES: dict[str, tuple[np.ndarray, list[tuple[str, int]]]] = {
    "-9999": (np.append(NORMAL, [-9999] * 8), [("-9999", 8)]),
    "-999 once": (np.append(NORMAL, -999), [("-999", 1)]),
    "two codes": (np.append(NORMAL, [-99, -99, -999]), [("-999", 1), ("-99", 2)]),
    "netcdf": (np.append(NORMAL, [9.96921e36]), [("9.96921e+36", 1)]),
    "1e30": (np.append(NORMAL, [1e30, 1e30]), [("1e+30", 2)]),
    "answers": (np.array([1, 2, 3, 4, 5] * 20 + [99] * 3), [("99", 3)]),
    "98 and 99": (np.array([1, 2, 3, 4, 5] * 20 + [99] * 3 + [98] * 2), [("98", 2), ("99", 3)]),
    "capital gain": (np.array([*np.linspace(0, 41_310, 90), 99_999, 99_999]), [("99999", 2)]),
    "ages": (np.arange(0, 100.0), []),
    "one of 99 years": (np.array([*np.linspace(20, 40, 50), 99]), []),
    "a high price": (np.array([*np.linspace(0, 700, 50), 999]), []),
    "binary": (np.array([0.0, 1.0] * 20 + [99.0] * 3), []),
    "empty": (np.full(5, np.nan), []),
    "gaps": (np.append(NORMAL, np.nan), []),
}


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("name", CASES)
def test_codes_are_found_far_from_the_rest(name: str) -> None:
    values, codes = CASES[name]

    found = find_suspects("a", values.astype(float))

    assert [(each.code, each.count) for each in found] == codes
