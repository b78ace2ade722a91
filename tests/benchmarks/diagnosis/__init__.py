"""How often the diagnosis finds what harms a run, names the right cause, and keeps silent about healthy runs."""
