"""The executable specification of the loop's order: what docs/design/loop.md says in words, in Python that can be run.

Read it in this order: microtasks.py (what runs between two callbacks), guard.py (how floods of them are bounded), timers.py,
immediates.py, tasks.py (what a yield is), turn.py (the whole). It is written to be read: plain lists, no reference counts, a
clock that moves only when told to, and descriptors that are ready or not. Invariant: whatever it logs, the native loop logs, line
by line: tests/model/test_loop.py holds the two together, tests/model/test_node.py holds it to real Node.
"""
