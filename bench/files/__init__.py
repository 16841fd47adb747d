"""Files as streams, and what changes, beside Node 24 and libraries of asyncio: see command.py."""
