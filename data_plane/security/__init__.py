"""Principals, ACLs, certificates: pure decisions."""
