"""Other projects' asyncio test suites, on asyncio's loop and on treadle's: ``make suites``, see docs/reference/asyncio.md.

No test of theirs is copied here; each comes with the interpreter, its source distribution or its repository. Not run by
``make test``, which runs the tests of this harness only: the suites take minutes, and need the network once.
"""
