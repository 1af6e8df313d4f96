"""``consumo avisos``: tells people what they would want to know before they look."""
