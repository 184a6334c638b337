"""Broker-to-broker connections; empty until a cluster has more than one broker."""
