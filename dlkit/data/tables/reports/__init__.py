"""What is reported of a table: its columns, its faults, and what training makes of it."""
