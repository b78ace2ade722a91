"""dlkit inspect: checkpoints, networks, weights, gradients, activations, learning rates, divergence."""
