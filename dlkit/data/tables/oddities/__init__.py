"""What is odd about columns and rows: codes for missing values, limits, totals, spellings, what tells the target."""
