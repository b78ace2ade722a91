"""What dlkit writes to disk and reads back: checkpoints, histories, run folders."""
