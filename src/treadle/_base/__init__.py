"""What every package above may lean on: errors, argument checks, warnings. Invariant: imports nothing but the standard
library, and never asyncio. Not here: anything that knows of a loop, a socket or a thread."""
