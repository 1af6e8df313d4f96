"""From what the detectors say to one score, its severity and the suspicion of a customer."""
