"""What the data tell the constructor of a user's own network, by the names that people give its arguments."""

import math
import re
from typing import Any

from dlkit.files.description import DataDescription

# Other names of what the description knows.
_ALIASES = {
    "input_dim": "in_features",
    "n_features": "in_features",
    "num_features": "in_features",
    "output_dim": "num_outputs",
    "n_outputs": "num_outputs",
    "out_features": "num_outputs",
    "n_classes": "num_classes",
    "num_class": "num_classes",
    "n_class": "num_classes",
    "nclasses": "num_classes",
    "nb_classes": "num_classes",
    "num_labels": "num_classes",
    "in_chans": "in_channels",
    "input_channels": "in_channels",
}
# Names that are filled in only where they have no default, since they may mean something else.
_SIZES = (
    "input_size",
    "in_size",
    "in_dim",
    "d_in",
    "n_in",
    "n_input",
    "n_inputs",
    "num_inputs",
    "input_features",
)
_FEATURES = ("feature_dim", "feat_dim", "n_feats", "num_feats", "n_feature", "features")
_CHANNELS = (
    "channels",
    "n_channels",
    "num_channels",
    "in_ch",
    "c_in",
    "img_channels",
    "image_channels",
    "nc",
)
_OUTPUTS = (
    "output_size",
    "out_size",
    "out_dim",
    "d_out",
    "n_out",
    "n_output",
    "num_output",
    "output_features",
    "outputs",
)
_STEPS = (
    "seq_len",
    "seq_length",
    "sequence_length",
    "max_len",
    "max_length",
    "window",
    "window_size",
    "timesteps",
)
_PIXELS = ("image_size", "img_size", "input_resolution")
_CODES = (
    "vocab_size",
    "vocab",
    "vocabulary_size",
    "n_vocab",
    "num_embeddings",
    "ntoken",
    "ntokens",
    "num_tokens",
)
_EXAMPLES = (
    ("drop|^p$|prob|rate", "0.1"),
    ("layer|depth|block", "2"),
    ("head", "4"),
    ("kernel", "3"),
    ("hidden|embed|dim|width|unit|size|model|channel|filter", "64"),
)


def known_of_data(description: DataDescription) -> dict[str, Any]:
    """Return what the data tell a constructor, by the names of its parameters."""
    shape = description.input_shape
    known: dict[str, Any] = {
        "input_shape": shape,
        "in_features": math.prod(shape),
        "num_outputs": description.num_outputs,
        "target_shape": description.target_shape,
        "feature_names": description.feature_names,
        "description": description,
    }
    if len(shape) == 3 or (len(shape) == 2 and _features_axis(description) == 0):
        known["in_channels"] = shape[0]
    if description.class_names:
        known |= {"num_classes": len(description.class_names), "class_names": description.class_names}
    known |= {alias: known[name] for alias, name in _ALIASES.items() if name in known}
    if len(shape) == 2:
        features = shape[_features_axis(description)]
        known |= dict.fromkeys(("input_dim", "n_features", "num_features"), features)
    return known


def known_where_needed(description: DataDescription) -> dict[str, Any]:
    """Return what the data tell a constructor of parameters without a default, by their names in lower case."""
    shape = description.input_shape
    known = known_of_data(description)
    features = shape[_features_axis(description)] if len(shape) == 2 else known["in_features"]
    found = dict.fromkeys((*_SIZES, *_FEATURES), features)
    found |= dict.fromkeys(_OUTPUTS, description.num_outputs)
    if "in_channels" in known:
        found |= dict.fromkeys(_CHANNELS, known["in_channels"])
    if len(shape) == 2:
        found |= dict.fromkeys(_STEPS, shape[1 - _features_axis(description)])
    if len(shape) == 3 and shape[1] == shape[2]:
        found |= dict.fromkeys(_PIXELS, shape[1])
    if codes := description.learned.get("codes"):
        found |= dict.fromkeys(_CODES, codes) | dict.fromkeys(_STEPS, shape[0])
    return found


def example_of(name: str) -> str:
    """Return a usual value of a parameter that the data do not tell, by its name."""
    return next((value for pattern, value in _EXAMPLES if re.search(pattern, name.lower())), "VALUE")


def _features_axis(description: DataDescription) -> int:
    """Return the axis of the features in a sample of two axes: the last, if they were not read as the first."""
    normalisation = description.normalisation
    return 1 if normalisation is None or normalisation.axis == 2 else 0
