"""What happens inside a network: weights, gradients, activations."""
