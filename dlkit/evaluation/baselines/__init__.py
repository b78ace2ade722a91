"""Simpler methods on the same samples, and whether the network is better."""
