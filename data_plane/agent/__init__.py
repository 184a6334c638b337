"""One per machine: runs brokers, applies the spec, reports back."""
