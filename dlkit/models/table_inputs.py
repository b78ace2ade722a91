"""The first layer over the rows of a table: codes and numbers each get a vector of their own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

_MAX_WIDTH = 50
_FAR = 1e30  # bounds that bound nothing; infinite ones would look like a network that diverged


@dataclass(frozen=True)
class TableLayout:
    """What the features of a table are.

    Args:
        width: D, the number of features.
        embedded: Features that hold codes: index and number of codes.
        continuous: Indices of the features that hold numbers.
        edges: Where the bins of each number lie, in the order of `continuous`; empty if there are none.
    """

    width: int
    embedded: Mapping[int, int]
    continuous: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, width: int, learned: Mapping[str, Any]) -> Self:
        """Read what the data learned of their features.

        Raises:
            ValueError: It does not fit D features.
        """
        embedded = dict(learned.get("embedded", ()))
        continuous = tuple(learned.get("continuous", ()))
        edges = tuple(tuple(float(edge) for edge in bins) for bins in learned.get("edges", ()))
        indices = (*embedded, *continuous)
        sound = (
            all(type(number) is int for number in (*indices, *embedded.values()))
            and all(0 <= index < width for index in indices)
            and len(set(indices)) == len(indices)
            and all(1 <= codes < 2**24 for codes in embedded.values())
            and (not edges or len(edges) == len(continuous))
            and all(bins and math.isfinite(sum(bins)) and list(bins) == sorted(set(bins)) for bins in edges)
        )
        if not sound:
            raise ValueError(f"not the layout of {width} features")
        return cls(width, embedded, continuous, edges)


class TableInputs(nn.Module):
    """Turns rows of features into rows of vectors, one after the other.

    Codes are looked up in a table of vectors. Numbers are left as they are, or become a vector each by a layer of
    their own over piecewise-linear or periodic features (Gorishniy et al. 2022, On Embeddings for Numerical
    Features in Tabular Deep Learning, sections 3.2 and 3.3).

    Args:
        layout: What the features are.
        numbers: `plain`, `piecewise` or `periodic`.
        number_width: Length of the vector of a number.
        frequencies: Sines and cosines a number, for `periodic`.
        sigma: Standard deviation of the frequencies at the start, for `periodic`.
    """

    def __init__(
        self, layout: TableLayout, *, numbers: str, number_width: int, frequencies: int, sigma: float
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                str(index): nn.Embedding(codes, embedding_width(codes))
                for index, codes in layout.embedded.items()
            }
        )
        self.continuous = layout.continuous if numbers != "plain" else ()
        self.rest = [
            index
            for index in range(layout.width)
            if index not in layout.embedded and index not in self.continuous
        ]
        self.numbers: nn.Module | None = None
        if self.continuous and numbers == "piecewise":
            self.numbers = PiecewiseLinear(layout.edges, number_width)
        elif self.continuous:
            self.numbers = Periodic(len(self.continuous), frequencies, sigma, number_width)
        embedded = sum(embedding_width(codes) for codes in layout.embedded.values())
        self.width = len(self.rest) + embedded + len(self.continuous) * number_width

    @property
    def codes(self) -> list[int]:
        """The indices of the features that hold codes."""
        return [int(index) for index in self.embeddings]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map features, shape (N, D), to shape (N, width)."""
        parts = [inputs[:, self.rest]]
        if self.numbers is not None:
            parts.append(self.numbers(inputs[:, list(self.continuous)]).flatten(1))
        parts += [embed(inputs[:, int(index)].long()) for index, embed in self.embeddings.items()]
        return torch.cat(parts, dim=1)


class PiecewiseLinear(nn.Module):
    """Says of each number how far it reaches into each of its bins, and maps that to a vector.

    Args:
        edges: Edges of the bins of each number, F lists.
        width: Length of the vector.
    """

    starts: Tensor
    factors: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], width: int) -> None:
        super().__init__()
        most = max(2, *(len(bins) for bins in edges))
        rows = [_bins(bins, most - 1) for bins in edges]
        for position, name in enumerate(("starts", "factors", "lowest", "highest")):
            self.register_buffer(name, torch.tensor([[bin_[position] for bin_ in row] for row in rows]))
        self.linear = ManyLinear(len(edges), most - 1, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Map numbers, shape (N, F), to vectors, shape (N, F, width)."""
        reach = (numbers[:, :, None] - self.starts) * self.factors  # (N, F, B)
        return torch.relu(self.linear(torch.minimum(torch.maximum(reach, self.lowest), self.highest)))


class Periodic(nn.Module):
    """Takes sines and cosines of learned frequencies of each number, and maps them to a vector.

    Args:
        features: F, the number of numbers.
        frequencies: Frequencies of each.
        sigma: Standard deviation of the frequencies at the start.
        width: Length of the vector.
    """

    def __init__(self, features: int, frequencies: int, sigma: float, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(features, frequencies) * sigma)
        self.linear = ManyLinear(features, 2 * frequencies, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Map numbers, shape (N, F), to vectors, shape (N, F, width)."""
        angles = 2 * math.pi * self.frequencies * numbers[:, :, None]  # (N, F, frequencies)
        return torch.relu(self.linear(torch.cat([angles.cos(), angles.sin()], dim=2)))


class ManyLinear(nn.Module):
    """A linear map for each of F features.

    Args:
        features: F.
        in_features: Width of each input.
        out_features: Width of each output.
    """

    def __init__(self, features: int, in_features: int, out_features: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(features, in_features, out_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, out_features).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, F, in_features), to outputs, shape (N, F, out_features)."""
        return torch.einsum("nfi,fio->nfo", inputs, self.weight) + self.bias


def embedding_width(codes: int) -> int:
    """Return the length of the vectors for so many codes: 1.6 codes^0.56, as fastai has found to do well, up to 50."""
    width: float = 1.6 * codes**0.56
    return min(_MAX_WIDTH, round(width))


def _bins(edges: Sequence[float], count: int) -> list[tuple[float, float, float, float]]:
    """Return start, 1 / width, and the least and the most that counts of each bin, filled up with empty ones.

    The first and the last bin go on beyond their outer edge, so that no number is cut off.
    """
    found = [(low, 1 / (high - low), 0.0, 1.0) for low, high in pairwise(edges)] or [
        (edges[0], 1.0, 0.0, 1.0)
    ]
    start, factor, _, most = found[0]
    found[0] = (start, factor, -_FAR, most)
    start, factor, least, _ = found[-1]
    found[-1] = (start, factor, least, _FAR)
    return found + [(0.0, 0.0, 0.0, 0.0)] * (count - len(found))
