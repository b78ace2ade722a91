"""The graph network of drug concentrations."""
