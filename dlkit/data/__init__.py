"""Data sets: where samples come from, how they are split, and how they become batches."""
