"""The checker: judges histories of real clients by what Kafka promises (reliability.md 4)."""
