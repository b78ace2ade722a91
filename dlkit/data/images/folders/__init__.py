"""What the folders of a data folder are."""
