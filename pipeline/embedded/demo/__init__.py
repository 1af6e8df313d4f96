"""``consumo demo``: everything on one machine, with data."""
