"""Inspect a model: weights, gradients, activations, learning rates, NaN."""
