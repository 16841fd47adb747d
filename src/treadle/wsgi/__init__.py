"""WSGI applications, served as ASGI 3 ones by threads of the user's lane. Needs the extra "wsgi".

Not here: ASGI itself (treadle.asgi), how an application is found and what it speaks (treadle.asgi.loading).
"""

from treadle.wsgi.adapter import from_wsgi

__all__ = ["from_wsgi"]
