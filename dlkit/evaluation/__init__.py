"""How good a network is on a split."""
