"""Produce and Fetch read and answered in place, without a field object (performance.md 12.3).

Tests compare each function byte for byte with the declarations in messages/.
"""
