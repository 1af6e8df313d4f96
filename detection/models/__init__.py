"""The models as flat arrays: half-space trees, isolation forest, boosted trees."""
