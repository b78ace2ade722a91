"""A graph network that learns how a drug moves between organs, and integrates what it learned."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.files.description import DataDescription
from dlkit.models.context import Context
from dlkit.models.pbpk.compartments import decay, edge_matrices, saturable_decay, system_matrix

_SMALLEST = 1e-6  # of what a logarithm is taken
_LARGEST_LOG = 20.0
_FIRST_CONDUCTANCE = 2.3  # its logarithm: every exchange and clearance starts near 10 L/h
_FIRST_SHARE = -2.0  # its logit
_NODE_FEATURES, _EDGE_FEATURES = 2, 4


class EdgeLayer(nn.Module):
    """A map of both ends of an edge and of the edge itself.

    Nodes and edges are laid out before samples, so that what stands at the ends is found by one product of matrices
    for the whole batch; the result is seen with the samples first all the same.

    Args:
        hidden: Width of the nodes.
        width: Width of what comes out.
        activation: Whether SiLU follows.
    """

    def __init__(self, hidden: int, width: int, *, activation: bool) -> None:
        super().__init__()
        self.parts = (hidden, hidden, _EDGE_FEATURES)
        bound = 1 / math.sqrt(sum(self.parts))
        self.weight = nn.Parameter(torch.empty(sum(self.parts), width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(width))
        self.activation = activation

    def forward(self, nodes: Tensor, edges: Tensor, routes: Tensor) -> Tensor:
        """Return shape (B, R, width).

        Args:
            nodes: Shape (n, B, hidden).
            edges: Features of the edges, shape (E, B, F).
            routes: Shape (R, 2n + E): 1 at the node that sends, at n + the one that receives, at 2n + the edge.
        """
        sender, receiver, edge = self.weight.split(self.parts)
        parts = torch.cat([nodes @ sender, nodes @ receiver, edges @ edge + self.bias])
        routed = (routes @ parts.flatten(1)).view(len(routes), *parts.shape[1:]).transpose(0, 1)
        return F.silu(routed) if self.activation else routed


class Update(nn.Module):
    """What a node becomes: itself and a map of itself and of the messages it received.

    Args:
        hidden: Width of nodes and messages.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(2 * hidden)
        self.weight = nn.Parameter(torch.empty(2 * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(hidden))

    def forward(self, nodes: Tensor, received: Tensor) -> Tensor:
        """Map nodes and sums of messages, both shape (n, B, hidden), to nodes, shape (B, n, hidden)."""
        own, others = self.weight.chunk(2)
        return (nodes + F.silu(nodes @ own + received @ others + self.bias)).transpose(0, 1)


class Saturation(EdgeLayer):
    """The share of each clearance that is left out at a concentration; what makes the network non-linear.

    Args:
        hidden: Width of the nodes and of the layer between.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden, hidden, activation=False)
        bound = 1 / math.sqrt(hidden)
        self.concentration = nn.Parameter(torch.empty(hidden).uniform_(-1, 1))
        self.share = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))
        self.share_bias = nn.Parameter(torch.full((), _FIRST_SHARE))

    def given_back(self, known: Tensor, rates: Tensor, concentrations: Tensor) -> Tensor:
        """Return the rate at which what was cleared too much is given back, shape (B, 1).

        Args:
            known: What the layer gave for the C clearances, shape (B, C, hidden).
            rates: Of the clearances, shape (B, C).
            concentrations: Where they leave from, mg/L, shape (B, 1).
        """
        return (self.shares(known, concentrations) * rates).sum(1, keepdim=True)

    def shares(self, known: Tensor, concentrations: Tensor) -> Tensor:
        """Return shares in (0, 1), shape (B, C).

        Args:
            known: What the layer gave for the C clearances, shape (B, C, hidden).
            concentrations: Where they leave from, mg/L, shape (B, 1).
        """
        logs = concentrations.clamp_min(_SMALLEST).log().unsqueeze(2)
        between = F.silu(torch.addcmul(known, logs, self.concentration))
        return torch.sigmoid(between @ self.share + self.share_bias)


class OrganNet(nn.Module):
    """Message passing over the organs decides the rates of a compartment model, which is then integrated.

    Nodes are the organs and the outside; edges are the exchanges of blood and the clearances. Each edge gets a
    conductance and each organ an affinity for the drug, both positive because their logarithms are learned. Volumes
    are known. That no concentration is negative and, where `linear`, that nothing is lost but by clearance and that
    all of them are proportional to the dose holds whatever the weights are. Where not `linear`, mass is kept as far as
    the steps of `saturable_decay` resolve the clearance.

    Args:
        context: `volumes`, `edges`, `flows`, `cleared` and `dosed` of the data.
        hidden: Width of nodes and messages.
        rounds: How many times messages are passed.
        flows: Whether the network is given the blood flows; otherwise it has to learn them.
        linear: Whether concentrations are proportional to the dose; else the clearances may depend on the
            concentration where they leave from.

    Raises:
        ValueError: The clearances leave from several compartments.
    """

    routes: Tensor
    gather: Tensor
    matrices: Tensor

    def __init__(
        self, context: Mapping[str, Tensor], *, hidden: int, rounds: int, flows: bool, linear: bool
    ) -> None:
        super().__init__()
        self.context = Context(context)
        self.flows = flows
        self._add_graph(context["edges"], context["cleared"], len(context["volumes"]))
        self.encode = nn.Linear(_NODE_FEATURES, hidden)
        self.place = nn.Parameter(torch.empty(len(context["volumes"]) + 1, hidden).normal_(0, 0.1))
        self.message = nn.ModuleList(EdgeLayer(hidden, hidden, activation=True) for _ in range(rounds))
        self.update = nn.ModuleList(Update(hidden) for _ in range(rounds))
        self.affinity = nn.Linear(hidden, 1)
        self.conductance = EdgeLayer(hidden, 1, activation=False)
        self.saturation = None if linear else Saturation(hidden)

    def forward(self, doses: Tensor, clearances: Tensor, partition: Tensor, times: Tensor) -> Tensor:
        """Return concentrations in every organ, mg/L, shape (B, n, T), none of them negative.

        Args:
            doses: mg, shape (B,).
            clearances: By liver and kidneys, L/h, shape (B, C).
            partition: Partition coefficients, shape (B, n).
            times: h since the dose, any, shape (B, T).
        """
        nodes, edges = self._nodes(partition), self._edges(clearances)
        for message, update in zip(self.message, self.update, strict=True):
            messages = message(nodes, edges, self.routes).transpose(0, 1)
            received = (self.gather @ messages.flatten(1)).view(nodes.shape)
            nodes = update(nodes, received).transpose(0, 1)
        with torch.autocast(doses.device.type, enabled=False):  # half precision would not integrate
            dtype = self.place.dtype
            return self._integrated(nodes.to(dtype), edges.to(dtype), doses, times)

    def _integrated(self, nodes: Tensor, edges: Tensor, doses: Tensor, times: Tensor) -> Tensor:
        """Integrate what the last state of the nodes decides."""
        conductances, capacities = self._rates(nodes, edges)
        matrix = system_matrix(conductances, capacities, self.matrices)
        volumes = self.context["volumes"].double()
        dosed = F.one_hot(self.context["dosed"], len(volumes))
        start = dosed * doses.double().unsqueeze(1) * capacities.rsqrt()
        units = capacities.sqrt() / volumes
        if self.saturation is None:
            return decay(matrix, start, units, times)
        cleared = int(self.context["cleared"][0])
        first = len(self.context["edges"])
        known = self.saturation(nodes, edges, self.routes[first : len(edges)])
        rates = (conductances[:, first:] / capacities[:, cleared : cleared + 1]).to(times.dtype)
        given_back = partial(self.saturation.given_back, known, rates)
        return saturable_decay(matrix, start, units, times, cleared, given_back)

    def _add_graph(self, edges: Tensor, cleared: Tensor, organs: int) -> None:
        """Keep the graph as matrices: who sends and receives what, and what each conductance does."""
        if len(cleared.unique()) != 1:
            raise ValueError("the clearances leave from several compartments")
        out = torch.stack([cleared, torch.full_like(cleared, organs)], 1)
        whole = torch.cat([edges, out])
        sends, receives = F.one_hot(torch.cat([whole, whole.flip(1)]), organs + 1).float().unbind(1)
        edge = torch.eye(len(whole), device=edges.device).repeat(2, 1)
        self.register_buffer("routes", torch.cat([sends, receives, edge], 1), persistent=False)
        self.register_buffer("gather", receives.T.contiguous(), persistent=False)
        self.register_buffer("matrices", edge_matrices(edges, cleared, organs), persistent=False)

    def _nodes(self, partition: Tensor) -> Tensor:
        """Return the first state of the nodes, the outside last, shape (n + 1, B, hidden)."""
        logs = partition.clamp_min(_SMALLEST).log()
        known = torch.stack([self.context["volumes"].log().expand_as(logs), logs], 2)
        encoded: Tensor = self.encode(F.pad(known, (0, 0, 0, 1)))
        return (encoded + self.place).transpose(0, 1).contiguous()

    def _edges(self, clearances: Tensor) -> Tensor:
        """Return the features of the edges, shape (E, B, F): the logarithm of the flow, and which kind each is of."""
        logs = clearances.clamp_min(_SMALLEST).log().T
        flows = (self.context["flows"].log() * float(self.flows)).unsqueeze(1)
        sizes = torch.cat([flows.expand(-1, logs.shape[1]), logs])
        exchanges, kinds = len(flows), _EDGE_FEATURES - 1
        kind = torch.arange(len(sizes), device=sizes.device).sub(exchanges - 1).clamp_min(0)
        one_hot = F.one_hot(kind, kinds).to(sizes.dtype).unsqueeze(1)
        return torch.cat([sizes.unsqueeze(2), one_hot.expand(-1, logs.shape[1], -1)], 2)

    def _rates(self, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Return the conductances of the edges, L/h, shape (B, E), and the capacities of the organs, L, (B, n)."""
        logs = self.conductance(nodes, edges, self.routes[: len(edges)]).squeeze(2) + _FIRST_CONDUCTANCE
        affinities = self.affinity(nodes[:-1].transpose(0, 1)).squeeze(2)
        conductance, affinity = (
            values.double().clamp(-_LARGEST_LOG, _LARGEST_LOG).exp() for values in (logs, affinities)
        )
        return conductance, self.context["volumes"].double() * affinity


def build(
    description: DataDescription, arguments: Mapping[str, Any], context: Mapping[str, Tensor]
) -> OrganNet:
    """Build the network for concentration curves, with the graph of the organs as its context."""
    chosen = dict(arguments)
    linear = chosen.pop("linear")
    if linear == "auto":
        linear = "false" if description.learned.get("saturable") else "true"
    return OrganNet(context, linear=linear == "true", **chosen)
