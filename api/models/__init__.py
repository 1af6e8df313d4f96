"""Models and drift over HTTP."""
