"""dlkit inspect: the group of its commands."""

from dlkit.cli.inspect.acts import acts
from dlkit.cli.inspect.diff import diff
from dlkit.cli.inspect.env import env
from dlkit.cli.inspect.grads import grads
from dlkit.cli.inspect.history import history
from dlkit.cli.inspect.lr import lr
from dlkit.cli.inspect.model import model
from dlkit.cli.inspect.nan import nan
from dlkit.cli.inspect.rules import rules
from dlkit.cli.inspect.run import run
from dlkit.cli.inspect.runs import runs
from dlkit.cli.inspect.show import show
from dlkit.cli.inspect.updates import updates
from dlkit.cli.inspect.weights import weights
from dlkit.cli.options import add_command, command_group

app = command_group("inspect", "Look inside: checkpoints, networks, weights, gradients, activations.")

for function in (runs, run, history, rules, show, model, weights, grads, acts, updates, diff, lr, nan, env):
    add_command(app, function.__name__, function)
