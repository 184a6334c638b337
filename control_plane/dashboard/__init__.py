"""Server-rendered pages, live by server-sent events."""
