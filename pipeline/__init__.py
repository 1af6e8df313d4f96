"""Readings in, stored, aged, brought back."""
