"""The embedded services: PostgreSQL, MongoDB, Kafka and MLflow without Docker."""
