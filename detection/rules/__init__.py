"""The rules: what each one measures, and the registry of all of them."""
