"""One file per API key, each with the same header and signature."""
