"""Descriptors 0, 1 and 2, which a program may have been started without. Source: Node, which opens /dev/null for them."""

import os

__all__ = ["hold_standard_descriptors"]


def hold_standard_descriptors() -> None:
    """Open /dev/null in the place of each that is closed: else the next file or socket would be taken for it."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: fd
