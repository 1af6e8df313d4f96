"""The detector, and nothing else: arrays in, verdicts out.

Pure: no input or output, no clock, no environment, no log, no unseeded random.
"""
