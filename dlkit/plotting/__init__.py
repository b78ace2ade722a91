"""Figures: plain data in, a matplotlib figure out."""
