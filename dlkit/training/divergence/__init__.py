"""NaN and infinity in training: noticed, gone back from, and traced to a layer."""
