"""Environment variables that are set before torch is imported, unless the user has set them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlkit.cli.environment import prepare_environment


def test_waiting_threads_yield_early() -> None:
    variables = {"HOME": "/home/me"}

    prepare_environment(variables)

    assert variables == {"HOME": "/home/me", "GOMP_SPINCOUNT": "20000"}


@pytest.mark.parametrize("given", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_variables_of_the_user_are_kept(given: dict[str, str]) -> None:
    variables = dict(given)

    prepare_environment(variables)

    assert variables == given


def test_the_command_sets_them_before_torch_loads(home: Path) -> None:
    program = (
        "import atexit, os, sys, dlkit.__main__ as entry\n"
        "sys.argv = ['dlkit', '--version']\n"
        "atexit.register(lambda: print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules))\n"
        "entry.main()"
    )
    variables = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables)

    assert result.stderr.splitlines()[-1] == "20000 False", result
