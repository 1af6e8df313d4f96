"""The one feature functions, live and in training."""
