"""One router file per resource: parse, one service call, reply; the route commits."""
