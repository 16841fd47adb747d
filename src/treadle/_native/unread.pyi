"""Nothing of unread.pyx is seen from Python."""
