"""The settings of a run: every setting with its default, its check and where its value comes from."""
