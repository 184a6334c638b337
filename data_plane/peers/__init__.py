"""Broker-to-broker connections."""
