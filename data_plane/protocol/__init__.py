"""The Kafka wire format, without sockets."""
