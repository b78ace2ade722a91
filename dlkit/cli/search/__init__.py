"""dlkit train --search, one part a file."""
