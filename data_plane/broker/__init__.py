"""A broker without sockets: composition, dispatch, handlers."""
