"""Child processes: other programs, whose input and output are streams. Source: https://nodejs.org/api/child_process.html

Invariants: who starts a child waits for nothing but its execve(2), and never for its end; a child that has ended is reaped,
whoever looks, and one that is not detached ends with its loop. Not here: how a process is made (_native.spawn), how its end is
noticed (treadle.loop.children), asyncio's own subprocesses (asyncio.create_subprocess_exec), Node's fork() and its IPC, its
synchronous functions (Python has subprocess.run).
"""

from treadle.child_process._exec import MAX_BUFFER, ExecFuture, ExecResult, exec, exec_file
from treadle.child_process._process import ChildProcess, Exit
from treadle.child_process._spawn import spawn

__all__ = ["MAX_BUFFER", "ChildProcess", "ExecFuture", "ExecResult", "Exit", "exec", "exec_file", "spawn"]
