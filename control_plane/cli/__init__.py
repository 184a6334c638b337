"""The add-on style command line."""
