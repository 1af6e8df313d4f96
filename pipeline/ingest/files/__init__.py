"""Readers of files with readings: CSV, Parquet and, over time, the utilities' own formats."""
