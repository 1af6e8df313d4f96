"""The REST API: what is stored, over HTTP (contract 10)."""
