"""Which of several processes this is, by the variables that torchrun sets."""

from collections.abc import Sequence

import pytest

from dlkit.distributed.membership import DEVICES, FOLDER, read_membership
from dlkit.errors import ConfigError

WHOLE = {"RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "node0", "MASTER_PORT": "29500"}


def test_without_the_variables_a_process_is_alone() -> None:
    assert read_membership({"LOCAL_RANK": "1", "MASTER_PORT": "29500"}) is None


def test_a_group_of_one_is_no_group() -> None:
    assert read_membership({**WHOLE, "RANK": "0", "WORLD_SIZE": "1"}) is None


def test_the_place_is_read() -> None:
    place = read_membership({**WHOLE, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"})

    assert place is not None
    assert (place.rank, place.size, place.local_rank, place.local_size, place.device) == (2, 4, 0, 2, 0)
    assert (place.launched, place.has_agent) == (False, True)


def test_devices_are_those_that_were_named() -> None:
    place = read_membership(
        {**WHOLE, "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "4", DEVICES: "5,0,7,7", FOLDER: "x"}
    )

    assert place is not None
    assert (place.device, place.shares_device, place.launched) == (7, True, True)


@pytest.mark.parametrize(
    ("rank", "size", "cores", "part"),
    [
        (0, 2, (0, 1), (0,)),
        (1, 2, (4, 5, 6, 8, 9), (6, 8, 9)),
        (3, 4, range(8), range(6, 8)),
        (1, 3, (0, 1), (0, 1)),
        (1, 2, (), ()),
    ],
)
def test_processes_of_a_machine_share_its_cores(
    rank: int, size: int, cores: Sequence[int], part: Sequence[int]
) -> None:
    place = read_membership({**WHOLE, "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)})

    assert place is not None
    assert place.part_of(cores) == part


@pytest.mark.parametrize("missing", WHOLE)
def test_half_set_variables_are_refused(missing: str) -> None:
    variables = {name: value for name, value in WHOLE.items() if name != missing}

    with pytest.raises(ConfigError) as caught:
        read_membership(variables)

    assert f"{missing} is not set" in caught.value.message
    assert "torchrun" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "4"), ("RANK", "one"), ("WORLD_SIZE", "-2"), ("LOCAL_RANK", "1"), ("MASTER_PORT", "65536")],
)
def test_impossible_variables_are_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}={value}"):
        read_membership({**WHOLE, name: value})
