"""Alembic environment and the one linear history of versions."""
