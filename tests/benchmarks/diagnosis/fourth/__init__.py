"""The fourth part: bases, families of faults and networks, held out until its rules were frozen."""
