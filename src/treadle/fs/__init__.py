"""Files, read by the threads of the native pool: the loop's thread never waits for a disk. Source: Node, "fs".

Today: reading whole files. Not here: the jobs themselves (_native.file_jobs).
"""

from treadle.fs._read_file import read_file

__all__ = ["read_file"]
