"""What a run can be told: every setting with its default, its check and where its value comes from."""
