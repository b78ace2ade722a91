"""Searches with Optuna: trials that are ordinary runs."""
