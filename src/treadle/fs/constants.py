"""The numbers that fs functions take and give. Source: Node, fs.constants; the system's own headers, as Python knows them."""

import os
import stat
from typing import Final

F_OK: Final = os.F_OK
R_OK: Final = os.R_OK
W_OK: Final = os.W_OK
X_OK: Final = os.X_OK

COPYFILE_EXCL: Final = 1  # the target must not exist
COPYFILE_FICLONE: Final = 2  # share the blocks, if the file system can
COPYFILE_FICLONE_FORCE: Final = 4  # or fail

O_RDONLY: Final = os.O_RDONLY
O_WRONLY: Final = os.O_WRONLY
O_RDWR: Final = os.O_RDWR
O_CREAT: Final = os.O_CREAT
O_EXCL: Final = os.O_EXCL
O_NOCTTY: Final = os.O_NOCTTY
O_TRUNC: Final = os.O_TRUNC
O_APPEND: Final = os.O_APPEND
O_DIRECTORY: Final = os.O_DIRECTORY
O_NOATIME: Final = os.O_NOATIME
O_NOFOLLOW: Final = os.O_NOFOLLOW
O_SYNC: Final = os.O_SYNC
O_DSYNC: Final = os.O_DSYNC
O_DIRECT: Final = os.O_DIRECT
O_NONBLOCK: Final = os.O_NONBLOCK

S_IFMT: Final = 0o170000
S_IFREG: Final = stat.S_IFREG
S_IFDIR: Final = stat.S_IFDIR
S_IFCHR: Final = stat.S_IFCHR
S_IFBLK: Final = stat.S_IFBLK
S_IFIFO: Final = stat.S_IFIFO
S_IFLNK: Final = stat.S_IFLNK
S_IFSOCK: Final = stat.S_IFSOCK

S_IRWXU: Final = stat.S_IRWXU
S_IRUSR: Final = stat.S_IRUSR
S_IWUSR: Final = stat.S_IWUSR
S_IXUSR: Final = stat.S_IXUSR
S_IRWXG: Final = stat.S_IRWXG
S_IRGRP: Final = stat.S_IRGRP
S_IWGRP: Final = stat.S_IWGRP
S_IXGRP: Final = stat.S_IXGRP
S_IRWXO: Final = stat.S_IRWXO
S_IROTH: Final = stat.S_IROTH
S_IWOTH: Final = stat.S_IWOTH
S_IXOTH: Final = stat.S_IXOTH
