"""Arrays in .npz and .npy files, or made by a function."""
