"""Environment variables that torch's libraries read once, when torch is imported."""

from collections.abc import MutableMapping

# How often a waiting thread checks whether the others are done before it sleeps. GNU's OpenMP spins 300,000 times,
# some milliseconds, during which it keeps the thread it waits for off a busy core; with 1,000 two threads are no
# faster than one on an idle machine. Measured in docs/compute.md.
_SPIN_COUNT = "20000"
_USER_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def prepare_environment(variables: MutableMapping[str, str]) -> None:
    """Let waiting CPU threads yield early, and several processes keep quiet, unless the user has set how they do.

    Args:
        variables: Of the process; changed in place, before torch is imported.
    """
    if not any(name in variables for name in _USER_SETTINGS):
        variables["GOMP_SPINCOUNT"] = _SPIN_COUNT
    if "RANK" in variables:  # one of several processes, of which each would repeat torch's warnings
        variables.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
