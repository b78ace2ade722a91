"""Processes for runs of several, forked from one that has imported what they need."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fork_server import ForkServer, fork_server

_NEEDED = "import os; os.environ['TORCH_CPP_LOG_LEVEL'] = 'ERROR'; import torch._dynamo, torch.distributed"


@pytest.fixture(scope="session")
def ranks() -> Iterator[ForkServer]:
    """Start processes of dlkit that train together."""
    with fork_server(_NEEDED) as server:
        yield server


@pytest.fixture(scope="session")
def double() -> Iterator[ForkServer]:
    """Start processes that compute in float64."""
    folder = str(Path(__file__).parent)
    with fork_server(
        f"{_NEEDED}, sys; sys.path.insert(0, {folder!r}); import in_double; in_double.patch()"
    ) as server:
        yield server
