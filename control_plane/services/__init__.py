"""Transaction scripts, one per noun; the caller commits."""
