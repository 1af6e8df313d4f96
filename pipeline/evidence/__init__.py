"""The evidence of a case, gathered from the stores, and the report that is made of it."""
