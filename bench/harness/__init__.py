"""What every case of the bench shares: the environment, the peers, servers, load, CPU accounting, tables.

Only the standard library is used here: the harness runs on any Python >= 3.10 and builds the interpreter
environment that is measured itself. A case is one file beside this folder.
"""
