"""A file of a table as lines and fields: opened, its header found, read in batches, and what is wrong with it."""
