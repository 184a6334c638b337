"""Real brokers and real clients under fault; the checker judges what the clients were told."""
