"""Clients that are slow in five ways, a thousand of each, and who else waits for it meanwhile."""
