"""What the rules of diagnosis need of a run, recorded while it trains."""
