"""The network of points and their neighbours."""
