"""Files, by the threads of the native pool: the loop's thread never waits for a disk. Source: Node, "fs".

    whole files       read_file, write_file, write_file_atomic, append_file, copy_file
    an open file      open -> FileHandle
    as streams        create_read_stream, create_write_stream
    what is known     stat, lstat, access, and what changes it: chmod, chown, lchown, utimes, lutimes, truncate
    names             rename, unlink, link, symlink, readlink, realpath
    what changes      watch
    directories       mkdir, mkdtemp, readdir, rmdir, rm

Each of these begins at once, and returns a future, or takes a callback. Not here: the jobs themselves (_native.fs_jobs).
"""

from treadle._native.file_facts import Dirent, Stats
from treadle.fs import constants
from treadle.fs._attributes import access, chmod, chown, lchown, lstat, lutimes, stat, truncate, utimes
from treadle.fs._directories import mkdir, mkdtemp, readdir, rm, rmdir
from treadle.fs._file_handle import FileHandle
from treadle.fs._names import link, readlink, realpath, rename, symlink, unlink
from treadle.fs._opening import open
from treadle.fs._replacing import write_file_atomic
from treadle.fs._streaming import create_read_stream, create_write_stream
from treadle.fs._watching import FSWatcher, WatchEvent, watch
from treadle.fs._whole_files import append_file, copy_file, read_file, write_file

__all__ = [
    "Dirent",
    "FSWatcher",
    "FileHandle",
    "Stats",
    "WatchEvent",
    "access",
    "append_file",
    "chmod",
    "chown",
    "constants",
    "copy_file",
    "create_read_stream",
    "create_write_stream",
    "lchown",
    "link",
    "lstat",
    "lutimes",
    "mkdir",
    "mkdtemp",
    "open",
    "read_file",
    "readdir",
    "readlink",
    "realpath",
    "rename",
    "rm",
    "rmdir",
    "stat",
    "symlink",
    "truncate",
    "unlink",
    "utimes",
    "watch",
    "write_file",
    "write_file_atomic",
]
