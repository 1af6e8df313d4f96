"""Cases: what changed in a customer's consumption and has not gone back, judged once a day."""
