"""Tables: read from files, encoded by what the training rows say."""
