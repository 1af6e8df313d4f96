"""One reader of meter files of any layout: a table by its profile, the rest by a reader in code."""
