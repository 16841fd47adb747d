"""The main thread: signals arrive there, and the events of the process belong to the program that it runs."""

import threading

__all__ = ["is_main_thread"]


def is_main_thread() -> bool:
    """Whether this code runs on it. In a forked child it is the thread that forked."""
    return threading.current_thread() is threading.main_thread()
