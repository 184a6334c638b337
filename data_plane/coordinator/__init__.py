"""Groups and offsets as shards over internal topics, without sockets."""
