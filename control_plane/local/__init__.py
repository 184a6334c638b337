"""`ottla up`: the whole service as processes of one machine."""
