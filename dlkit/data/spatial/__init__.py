"""Points with values, each described by its neighbours."""
