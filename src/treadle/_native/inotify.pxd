"""Declarations of inotify.pyx: other native units touch nothing of it."""
