"""Drug concentrations in organs."""
