import getpass
import platform

import numpy as np
import pytest
import torch

import dlkit
from dlkit.inspection.environment import describe_environment


def test_versions_are_those_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_EPOCHS", "3")
    monkeypatch.setenv("DLKIT_HOME", "/home/somebody/data")

    found = describe_environment()

    assert found["dlkit"] == dlkit.__version__
    assert str(found["python"]).startswith(platform.python_version())
    assert found["numpy"] == np.__version__
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert str(found["devices"]).startswith("cpu")
    assert found["threads"] == torch.get_num_threads()
    assert found["DLKIT_TRAIN_EPOCHS"] == "3"
    assert found["DLKIT_HOME"] == "a path"


def test_no_other_variable_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    found = describe_environment()
    assert "hush" not in map(str, found.values())
    assert not any(f"/{getpass.getuser()}/" in str(value) for value in found.values())
