"""One partition's replica set: high watermark, waiting requests."""
