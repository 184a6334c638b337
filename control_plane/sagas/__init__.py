"""Durable operations as tuples of idempotent steps."""
