"""The asyncio edge: sockets, TLS, timers, fsync."""
