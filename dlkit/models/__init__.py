"""Networks, sized from the description of the data."""
