"""The machine and the versions of the libraries: what a bug report needs."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from dlkit import __version__
from dlkit.inspection.layer_table import Cell

LIBRARIES = (
    "torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "matplotlib", "pillow",
    "safetensors", "typer", "rich",
)  # fmt: skip
_OPTIONAL = ("tensorboard", "imagecodecs", "timm")
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTORCH_ENABLE_MPS_FALLBACK")
_GIB = 2**30


def describe_environment() -> dict[str, Cell]:
    """Return the versions, the machine, what torch can compute on, and the variables that change what dlkit does.

    There is no path and no name of a user in it.
    """
    installed = {name: _version(name) for name in (*LIBRARIES, *_OPTIONAL)}
    return {
        "dlkit": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.1f} GiB",
        **{name: version or "missing" for name, version in installed.items() if version or name in LIBRARIES},
        **_torch(),
        "encoding": f"{sys.stdout.encoding}, files {sys.getfilesystemencoding()}",
        **{
            name: "a path" if "/" in value or "\\" in value else value
            for name, value in sorted(os.environ.items())
            if name.startswith("DLKIT_") or name in _VARIABLES
        },
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{models[0] if models else platform.machine()}, {usable} of {os.cpu_count()} cores"


def _torch() -> dict[str, Cell]:
    """Return what torch computes on; that it cannot be imported is part of a report too."""
    try:
        import torch
    except (ImportError, OSError) as err:
        return {"devices": f"torch cannot be imported: {err}"}
    devices = [
        f"cuda:{number} {torch.cuda.get_device_name(number)}"
        for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {
        "built for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA",
        "devices": ", ".join(["cpu", *devices]),
        "threads": torch.get_num_threads(),
    }
