"""What verdicts are worth: metrics, baselines, reports."""
