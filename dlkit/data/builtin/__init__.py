"""Built-in images: downloaded or embedded, read, and made into data sets."""
