"""The texts of a column as values: numbers as they are written, dates, and the kind of a column."""
