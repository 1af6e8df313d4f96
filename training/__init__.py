"""History in, a registered model out."""
