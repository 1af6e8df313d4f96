"""From Kafka through the detector into both stores."""
