"""What sampled steps of a training run measure inside the network."""
