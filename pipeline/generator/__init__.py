"""The data-generator service (port 8000)."""
