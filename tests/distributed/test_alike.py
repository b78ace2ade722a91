"""What differs between processes is shown so that it can be seen."""

import pytest

from dlkit.distributed.alike import check_alike
from dlkit.distributed.group import Group
from dlkit.errors import ConfigError


class _Two(Group):
    size = 2

    def __init__(self, other: str) -> None:
        self._other = other

    def gather(self, value: object) -> list:  # type: ignore[type-arg]
        return [value, ("node1", {"--data": self._other})]


@pytest.mark.parametrize(
    ("here", "there", "shown"),
    [
        ("1", "22", "--data 22, here 1"),
        ("/x" * 30 + "/one.csv", "/x" * 30 + "/two.csv", "--data …x/x/x/x/two.csv, here …x/x/x/x/one.csv"),
        ("/x" * 30, "/x" * 30 + "/y", "--data …/x/x/x/x/y, here …/x/x/x/x"),
        ("a" * 64, "b" * 64, f"--data {'b' * 12}, here {'a' * 12}"),
    ],
    ids=["short", "long", "longer", "digests"],
)
def test_values_are_shown_where_they_differ(here: str, there: str, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_alike(_Two(there), {"--data": here})

    assert caught.value.message == f"rank 1 on node1 was started with something else: {shown}"
