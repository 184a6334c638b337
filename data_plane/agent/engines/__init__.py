"""What differs between our broker and Apache Kafka."""
