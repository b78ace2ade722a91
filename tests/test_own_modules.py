"""Networks of odd code end a command with one clear line, whatever they do: no traceback, nothing on stdout.

`DLKIT_TEST_MODULES=500` makes it so many.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from own_modules import DONE, MADE, NOTHING, OUTPUTS, RAISED, Module, modules
from refusals import faults

MODULES = int(os.environ.get("DLKIT_TEST_MODULES", "60"))
SETTINGS = (
    "--data",
    "digits",
    "--limit",
    "40",
    "--batch-size",
    "8",
    "--epochs",
    "2",
    "--no-plot",
    "--device",
    "cpu",
)
CODES = {0, 1, 2, 4, 5}


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Undo what a network changes for the whole process."""
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    yield
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    random.setstate(state[0])
    np.random.set_state(state[1])  # noqa: NPY002
    torch.set_rng_state(state[2])


def check(result: Any, source: str, *lines: str) -> None:
    """Hold a command to what is promised: its result and nothing else, or one line that says why not."""
    shown = f"{source}\n{result.stderr}\n{result.stdout}"
    assert result.code in CODES, shown
    assert "Traceback" not in result.stderr, shown
    assert "unexpected" not in result.stderr, shown
    if result.code:
        assert result.stdout == "", shown
        assert len(faults(result.stderr)) == 1, shown
    elif lines:
        assert result.stdout.splitlines() == list(lines), shown


def use(module: Module, dlkit: Callable[..., Any], folder: Path, ema: tuple[str, ...]) -> None:
    """Train, resume and evaluate a network in a new folder."""
    source = module.source()
    net, run = folder / "net.py", folder / "run"
    net.write_text(source)
    named = f"{net}:Net"
    first = dlkit("train", named, *SETTINGS, *ema, "--max-steps", 7, "--out", run)
    check(first, source, f"{run}/best.safetensors")
    torch.set_grad_enabled(True)
    if first.code == 0:
        check(dlkit("train", named, "--resume", run, "--max-steps", 10), source, f"{run}/best.safetensors")
        torch.set_grad_enabled(True)
        check(dlkit("eval", run, "--model", named, "--json"), source)
        torch.set_grad_enabled(True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_networks_of_odd_code_end_in_one_clear_line(
    dlkit: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(
        max_examples=MODULES,
        deadline=None,
        derandomize="DLKIT_TEST_SEED" not in os.environ,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        database=None,
    )
    @given(module=modules(), ema=st.sampled_from(((), (), ("--ema", "0.9"))))
    def search(module: Module, ema: tuple[str, ...]) -> None:
        use(module, dlkit, tmp_path_factory.mktemp("odd"), ema)

    search()


SOUND = Module((NOTHING,), NOTHING, "True", "y", "y", NOTHING, 1)


def each() -> Iterator[Any]:
    """Every part by itself, in each place."""
    for text in OUTPUTS:
        yield pytest.param(Module((NOTHING,), NOTHING, "True", text, "y", NOTHING, 1), id=f"training {text}")
        yield pytest.param(Module((NOTHING,), NOTHING, "True", text, text, NOTHING, 1), id=f"always {text}")
    for text in MADE:
        yield pytest.param(Module((text,), NOTHING, "True", "y", "y", NOTHING, 1), id=f"made {text}")
    for text in DONE:
        for when in ("True", "self.training and self.k > 3", "not self.training"):
            yield pytest.param(Module((NOTHING,), text, when, "y", "y", NOTHING, 1), id=f"{when}: {text}")
    for text in RAISED:
        yield pytest.param(Module((NOTHING,), NOTHING, "True", "y", "y", text, 3), id=f"raised {text}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("module", list(each()))
def test_each_part_by_itself(module: Module, dlkit: Callable[..., Any], tmp_path: Path) -> None:
    use(module, dlkit, tmp_path, ())
