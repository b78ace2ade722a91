"""Variables that the libraries under torch read once, when torch loads."""

from collections.abc import MutableMapping

# How often a thread looks whether the others are done before it sleeps. GNU's OpenMP takes 300,000 turns, some
# milliseconds, in which it keeps the very thread it waits for from a busy core; with 1,000 two threads are no faster
# than one on an idle machine. Measured in docs/compute.md.
_SPIN_COUNT = "20000"
_OF_THE_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def prepare_environment(variables: MutableMapping[str, str]) -> None:
    """Let CPU threads that wait for each other give way soon, unless the user has said how they wait.

    Args:
        variables: Those of the process; changed in place, before torch loads.
    """
    if not any(name in variables for name in _OF_THE_USER):
        variables["GOMP_SPINCOUNT"] = _SPIN_COUNT
