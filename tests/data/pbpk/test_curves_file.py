"""A file of concentration curves: what is read, and what is refused by name."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.pbpk.curves_file import holds_curves, read_curves
from dlkit.data.pbpk.organs import ORGANS, draw_compounds, simulate
from dlkit.errors import DataError

N, T = 6, 9


def made(times: int = T, **changes: Any) -> dict[str, Any]:
    """Give the arrays of a sound file, some of them changed; None leaves one out."""
    compounds, hours = draw_compounds(N, 0), np.linspace(0.0, 24.0, times)
    arrays: dict[str, Any] = {
        "doses": compounds.doses,
        "clearances_hepatic": compounds.hepatic,
        "clearances_renal": compounds.renal,
        "partition_coeffs": compounds.partition,
        "concentrations": simulate(compounds, hours),
        "time_points": hours,
        **changes,
    }
    return {name: array for name, array in arrays.items() if array is not None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "curves.npz"


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_curves(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_curves_come_back_as_they_were_written(path: Path) -> None:
    arrays = made()
    np.savez_compressed(path, **arrays)

    found = read_curves(path)

    assert (found.concentrations == arrays["concentrations"]).all()
    assert (found.times == arrays["time_points"]).all()
    assert (found.compounds.renal == arrays["clearances_renal"]).all()
    assert found.unused == ()


@pytest.mark.parametrize("times", [T, len(ORGANS), 1], ids=["9 times", "as many times as organs", "one time"])
def test_times_may_stand_before_organs(path: Path, times: int) -> None:
    arrays = made(times)
    np.savez(path, **{**arrays, "concentrations": arrays["concentrations"].transpose(0, 2, 1)})

    assert (read_curves(path).concentrations == arrays["concentrations"]).all()


def test_as_many_times_as_organs_are_read_as_the_layout_says(path: Path) -> None:
    arrays = made(len(ORGANS))
    np.savez(path, **arrays)

    assert (read_curves(path).concentrations == arrays["concentrations"]).all()


def test_whole_numbers_and_single_precision_are_numbers(path: Path) -> None:
    np.savez(path, **made(doses=np.arange(1, N + 1), clearances_renal=np.ones(N, dtype=np.float32)))

    found = read_curves(path)

    assert found.compounds.doses.dtype == found.compounds.renal.dtype == np.float64


def test_what_is_not_of_the_layout_is_told(path: Path) -> None:
    np.savez(path, **made(), seed=np.array(42), note=np.array([{}], dtype=object))  # never read, so never run

    assert read_curves(path).unused == ("seed", "note")


@pytest.mark.parametrize("name", list(made()))
def test_a_missing_array_is_named(path: Path, name: str) -> None:
    np.savez(path, **made(**{name: None}))

    err = refusal(path)

    assert f"has no array {name}; it has " in str(err)
    assert not holds_curves(path)


def test_a_name_that_is_nearly_right_is_proposed(path: Path) -> None:
    np.savez(path, **made(doses=None), dose=np.ones(N))

    err = refusal(path)

    assert "has no array doses" in str(err)
    assert err.hint is not None
    assert "dose" in err.hint


@pytest.mark.parametrize(
    ("name", "shape", "allowed"),
    [
        ("doses", (N, 1), f"({N},)"),
        ("clearances_hepatic", (N - 1,), f"({N},)"),
        ("clearances_renal", (N, 2), f"({N},)"),
        ("partition_coeffs", (N, 13), f"({N}, 14)"),
        ("partition_coeffs", (14, N), f"({N}, 14)"),
        ("concentrations", (N, 14, T + 1), f"({N}, 14, {T}) or ({N}, {T}, 14)"),
        ("concentrations", (N - 1, 14, T), f"({N}, 14, {T}) or ({N}, {T}, 14)"),
        ("concentrations", (N, 14), f"({N}, 14, {T}) or ({N}, {T}, 14)"),
        ("time_points", (1, T), f"({T},)"),
        ("time_points", (), "(1,)"),
    ],
)
def test_an_array_of_another_shape_is_named(
    path: Path, name: str, shape: tuple[int, ...], allowed: str
) -> None:
    np.savez(path, **made(**{name: np.ones(shape)}))

    err = refusal(path)

    assert f"{name} has the shape {shape}, not {allowed}" in str(err)
    assert err.hint is not None
    assert "concentrations (N, 14, T) or (N, T, 14)" in err.hint


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("name", list(made()))
def test_an_object_array_is_refused_unread(path: Path, name: str) -> None:
    trap = np.empty(made()[name].shape, dtype=object)
    trap.flat[0] = Trap()
    np.savez(path, **made(**{name: trap}))

    assert f"array {name} holds Python objects, which dlkit never unpickles" in str(refusal(path))


@pytest.mark.parametrize("dtype", ["U3", "complex128", "bool", "M8[s]"])
def test_an_array_without_real_numbers_is_refused(path: Path, dtype: str) -> None:
    np.savez(path, **made(doses=np.zeros(N, dtype=dtype)))

    assert "doses holds " in str(refusal(path))
    assert ", not real numbers" in str(refusal(path))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("doses", 0.0, "doses[2] is 0; 1 of 6 values are not finite numbers above 0"),
        ("doses", np.nan, "doses[2] is nan; 1 of 6 values are not finite numbers above 0"),
        (
            "clearances_renal",
            -1.0,
            "clearances_renal[2] is -1; 1 of 6 values are not finite numbers 0 or above",
        ),
        (
            "partition_coeffs",
            0.0,
            "partition_coeffs[2, 0] is 0; 14 of 84 values are not finite numbers above 0",
        ),
        ("concentrations", np.inf, "concentrations[2, 0, 0] is inf; 126 of 756 values"),
        ("concentrations", -0.5, "concentrations[2, 0, 0] is -0.5; 126 of 756 values"),
    ],
)
def test_values_that_cannot_be_are_counted_and_placed(path: Path, name: str, value: float, says: str) -> None:
    array = made()[name].copy()
    array[2] = value
    np.savez(path, **made(**{name: array}))

    assert says in str(refusal(path))


@pytest.mark.parametrize("times", [[0.0, 2.0, 1.0], [0.0, 1.0, 1.0]], ids=["fall", "repeat"])
def test_times_must_rise(path: Path, times: list[float]) -> None:
    np.savez(path, **made(3, time_points=np.array(times)))

    assert "time_points are not increasing" in str(refusal(path))


def test_an_empty_file_is_refused(path: Path) -> None:
    np.savez(path, **{name: array[:0] if name != "time_points" else array for name, array in made().items()})

    assert "has no compound or no time" in str(refusal(path))


def test_what_is_no_npz_is_refused(path: Path) -> None:
    assert "no such file" in str(refusal(path)).lower()
    path.write_bytes(b"dose,clearance\n1,2\n")
    assert "is not a whole .npz archive" in str(refusal(path))
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    assert "is not a whole .npz archive" in str(refusal(path))
    assert not holds_curves(path)


def test_damage_is_found_wherever_it_lies(path: Path) -> None:
    np.savez(path, **made())
    whole = path.read_bytes()
    assert holds_curves(path)
    with zipfile.ZipFile(path) as file:
        entry = file.getinfo("concentrations.npy")
    inside = entry.header_offset + 400
    path.write_bytes(whole[:inside] + bytes([whole[inside] ^ 1]) + whole[inside + 1 :])
    assert "is damaged: Bad CRC-32" in str(refusal(path))
    path.write_bytes(whole[: len(whole) // 2])
    assert "is not a whole .npz archive" in str(refusal(path))


def test_a_file_larger_than_memory_is_refused_before_it_is_read(path: Path) -> None:
    compounds = 10**9
    with zipfile.ZipFile(path, "w") as file:
        for name, array in made().items():
            shape = array.shape if name == "time_points" else (compounds, *array.shape[1:])
            header = {"descr": "<f8", "fortran_order": False, "shape": shape}
            with file.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(member, header)

    assert f"{path} takes 1,06" in str(refusal(path))
    assert "GiB in memory, of which" in str(refusal(path))
