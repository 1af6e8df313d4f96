"""Anomalies over HTTP."""
