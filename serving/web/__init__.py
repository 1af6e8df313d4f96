"""What our HTTP servers have in common: who may call, for how long, and their documentation."""
