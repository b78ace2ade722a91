"""torch.compile: the network's own calls become compiled ones, its names stay."""

import importlib.util
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dlkit.errors import MissingError


def compile_network(model: nn.Module, device: torch.device) -> None:
    """Let a network be compiled when it is first called, once for each size of batch.

    The module stays what it is, so that its `state_dict` names do too. Sizes are never left open: code that fits
    several sizes would depend on which came first, and a resumed run on where it was stopped.

    Args:
        model: Changed in place.
        device: Where it is.

    Raises:
        MissingError: There is no compiler.
    """
    check_compiler(device.type)
    # It warns of the absent GPU on every machine that has CUDA's tools and no GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    model.compile(dynamic=False)


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Let a network's own code run while it lasts: compiled code calls no hooks."""
    compiled = model._compiled_call_impl
    model._compiled_call_impl = None
    try:
        yield
    finally:
        model._compiled_call_impl = compiled


def check_compiler(kind: str, *, cxx: str | None = None, has_triton: bool | None = None) -> None:
    """See that what torch.compile calls is here.

    Args:
        kind: Kind of device.
        cxx: The C++ compiler; None takes the one that torch takes.
        has_triton: Whether triton can be imported; None looks.

    Raises:
        MissingError: It is not.
    """
    if kind == "cpu":
        cxx = cxx or os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        if shutil.which(cxx.split()[0]) is None:
            raise MissingError(
                f"--compile needs a C++ compiler: {cxx} is not here",
                "install one, name it in CXX, or leave --compile out",
            )
    if has_triton is None:
        has_triton = importlib.util.find_spec("triton") is not None
    if kind == "cuda" and not has_triton:
        raise MissingError(
            "--compile needs triton for a CUDA device, and it is not here",
            "pip install triton, or leave --compile out",
        )
