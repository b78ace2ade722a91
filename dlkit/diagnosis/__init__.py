"""What is wrong with a training run, on what evidence, and what to change: rules over recorded numbers."""
