"""Descriptions of data for tests that need no data."""

from dlkit.files.description import DataDescription

OF_CLASSES = DataDescription(
    name="toy", task="classification", input_shape=(4,), class_names=("a", "b", "c"), split_sizes={}
)
OF_NUMBERS = DataDescription(
    name="toy", task="regression", input_shape=(4,), target_shape=(1,), split_sizes={}
)
