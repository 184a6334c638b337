"""Hosts the partitioned logs, speaks the Kafka protocol; knows no accounts, plans or bills."""
