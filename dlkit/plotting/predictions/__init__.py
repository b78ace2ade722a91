"""Figures of predictions against what was true."""
