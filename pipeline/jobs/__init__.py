"""What runs by the clock or by hand: aggregate, archive, restore, the night, health."""
