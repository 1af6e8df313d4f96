"""What every process needs to run: settings, the scorer with its state, health and logs."""
