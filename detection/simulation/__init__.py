"""Seeded households, attacks and populations: generator, training and tests draw here."""
