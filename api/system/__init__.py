"""Health, metrics and the audit over HTTP."""
