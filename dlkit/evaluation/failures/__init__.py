"""Where a network fails: by group, sample, class and column."""
