"""What is remembered of each customer, and what is usual by it."""
