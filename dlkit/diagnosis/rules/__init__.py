"""The rules, one function each, by the stage of training they look at."""
