"""Where packages above the loop are told what it meets. Each hook is None until somebody sets it.

Set by treadle.process, once, when it is imported; read by every program. Not here: what they do.
"""

from collections.abc import Callable

#: A callback of treadle's own failed and nobody handled it: (exception) -> True when a listener took care of it.
uncaught: Callable[[BaseException], bool] | None = None

#: Nothing is left that holds the program: (exit code) -> None. May schedule more, and the program goes on.
before_exit: Callable[[int], None] | None = None

#: The program ends: (exit code) -> None. Whatever it schedules is lost.
exit: Callable[[int], None] | None = None
