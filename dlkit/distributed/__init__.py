"""Training in several processes: how they are started, find each other, and add up what each computed."""
