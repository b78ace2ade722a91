"""--deterministic: what may come out otherwise in a second run is refused, and what came out gets a number."""

import hashlib
import os

import torch
from torch import nn

_WORKSPACE = ":4096:8"  # one of the two that cuBLAS is deterministic with


def prepare_determinism(wanted: bool) -> None:
    """Let torch refuse operations that are not deterministic, or let it be.

    Must come before CUDA starts: cuBLAS reads its variable then.
    """
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _WORKSPACE)
        torch.backends.cudnn.benchmark = False
    if wanted != torch.are_deterministic_algorithms_enabled():  # the call loads torch's compiler
        torch.use_deterministic_algorithms(wanted)


def hash_of_weights(model: nn.Module) -> str:
    """Give the SHA-256 of all weights and buffers with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
