"""The same scenarios through real clients of other people; `make conformance` runs them all."""
