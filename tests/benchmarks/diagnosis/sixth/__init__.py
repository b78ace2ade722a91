"""The sixth part: bases, networks and faults as people make them, held out until its rules were frozen."""
