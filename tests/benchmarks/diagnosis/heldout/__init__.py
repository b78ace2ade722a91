"""The part `heldout`: bases, families of faults and networks written after a first freeze, and known since."""
