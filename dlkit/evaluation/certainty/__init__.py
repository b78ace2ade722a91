"""How sure a number is, and a prediction."""
