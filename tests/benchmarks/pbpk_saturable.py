"""What the learned correction is worth: saturable, noisy curves with the blood flows withheld.

    python tests/benchmarks/pbpk_saturable.py [--n 1000] [--epochs 50] [--json FILE]

Three models are trained on the same compounds of pbpk:saturable=true,noise=0.1 by the same loss, and scored on the
same test compounds (as measured, and without the noise) and on 200 others over 48 h at 61 times without noise:

- `linear ode`: the equations of the simulator without saturation, their 13 flows fitted, and a factor and an exponent
  for each clearance and for the partition coefficients, so that it may make up for what it cannot say;
- `network, linear`: dlkit train pbpk -s flows=false -s linear=true, the network without its correction;
- `network`: dlkit train pbpk -s flows=false.
"""

import argparse
import json
import math
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.evaluation.evaluate import predict
from dlkit.evaluation.objective import objective_of
from dlkit.inputs import call
from dlkit.metrics import curve_metrics, scores_of
from dlkit.models.build import restore_model
from dlkit.models.pbpk.compartments import decay, edge_matrices, system_matrix
from dlkit.settings.resolve import resolve
from dlkit.training.run import start_run

ODE_EPOCHS, ODE_LR = 60, 0.05


class LinearOde(nn.Module):
    """The linear equations with fitted flows, and power laws for clearances and partition coefficients."""

    def __init__(self, context: dict[str, Tensor]) -> None:
        super().__init__()
        self.volumes = context["volumes"].double()
        self.matrices = edge_matrices(context["edges"], context["cleared"], len(self.volumes))
        self.flows = nn.Parameter(torch.full((len(context["edges"]),), math.log(10.0)))
        self.clearance = nn.Parameter(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        self.partition = nn.Parameter(torch.tensor([0.0, 1.0]))

    def forward(self, doses: Tensor, clearances: Tensor, partition: Tensor, times: Tensor) -> Tensor:
        """Give concentrations, shape (B, n, T)."""
        cleared = self.clearance[0] + self.clearance[1] * clearances.log()
        logs = torch.cat([self.flows.expand(len(doses), -1), cleared], 1)
        affinities = self.partition[0] + self.partition[1] * partition.log()
        capacities = self.volumes * affinities.double().exp()
        capacities = torch.cat([self.volumes[0].expand(len(doses), 1), capacities[:, 1:]], 1)
        matrix = system_matrix(logs.double().exp(), capacities, self.matrices)
        start = torch.zeros_like(capacities)
        start[:, 0] = doses
        return decay(matrix, start * capacities.rsqrt(), capacities.sqrt() / self.volumes, times)


def fit_ode(dataset: DataSet, config: object) -> nn.Module:
    """Fit the linear equations to the training compounds by the loss of the run."""
    torch.manual_seed(0)
    model = LinearOde(dict(dataset.context))
    objective = objective_of(config, dataset, torch.device("cpu"))
    batches = Batches(dataset.split("train"), 32, torch.device("cpu"))
    optimizer = torch.optim.Adam(model.parameters(), lr=ODE_LR)
    steps = ODE_EPOCHS * len(batches)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(ODE_EPOCHS):
        for inputs, targets in batches.shuffled(epoch):
            optimizer.zero_grad()
            objective.loss(call(model, inputs), targets).backward()
            optimizer.step()
            schedule.step()
    return model


def fit_network(config: object) -> nn.Module:
    """Train as the command does, and give the best network."""
    from dlkit.files.checkpoint import load_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        run = start_run(config, Path(folder) / "run")
        for _ in run:
            pass
        return restore_model(load_checkpoint(run.dir.best))


def score(model: nn.Module, dataset: DataSet, split: str) -> dict[str, float]:
    """Give the scores on a split."""
    part = dataset.split(split)
    outputs, targets = predict(model, Batches(part, 256, torch.device("cpu")).in_order())
    times = part.times.double().numpy()
    late = times > 0
    preds, truth = (values.double().numpy()[..., late] for values in (outputs, targets))
    return scores_of(curve_metrics(times[late]), preds, truth)


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    noisy = f"pbpk:n={options.n},saturable=true,noise=0.1"
    typed = {"model": "pbpk", "data": noisy, "epochs": options.epochs, "plot": False}
    config = resolve(typed, {"flows": "false"})
    measured = load_dataset(config)
    rows = measured.split("test").rows
    clean = load_dataset(config, other=f"pbpk:n={options.n},saturable=true")
    sets = {
        "test, measured": (measured, "test"),
        "test, no noise": (DataSet(clean.description, {"test": clean.split("all").with_rows(rows)}), "test"),
        "others, 48 h": (
            load_dataset(config, other="pbpk:n=200,seed=100000,hours=48,times=61,saturable=true"),
            "all",
        ),
    }
    fits = {
        "linear ode": lambda: fit_ode(measured, config),
        "network, linear": lambda: fit_network(resolve(typed, {"flows": "false", "linear": "true"})),
        "network": lambda: fit_network(config),
    }
    figures: dict[str, dict[str, dict[str, float]]] = {}
    print(
        f"{'model':<17}{'scored on':<16}{'r2':>9}{'rmse':>9}{'gmfe':>9}{'within 2x':>11}{'auc error':>11}{'cpu s':>8}"
    )
    for name, fit in fits.items():
        start = time.process_time()
        model = fit()
        seconds = time.process_time() - start
        figures[name] = {where: score(model, *there) for where, there in sets.items()}
        for where, row in figures[name].items():
            cells = f"{row['r2']:>9.5f}{row['rmse']:>9.4f}{row['gmfe']:>9.4f}{row['within_2x']:>11.4f}"
            print(f"{name:<17}{where:<16}{cells}{row['auc_error']:>11.4f}{seconds:>8.1f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
