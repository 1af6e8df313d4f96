"""Readings out of messages and files, and what makes one valid."""
