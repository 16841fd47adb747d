"""What is to be executed, with what, where and as whom: the arguments of spawn() as the system takes them.

Invariant: an Order that was made has no NUL in its texts and is not empty: what is wrong with it only the system can know. Not
here: descriptors (_stdio.py), what becomes of the child (_process.py).
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from treadle._base.errors import TreadleError

__all__ = ["Order", "Text", "order_of"]

Text = str | bytes | os.PathLike[str] | os.PathLike[bytes]

SHELL: Final = b"/bin/sh"
ID_MAX: Final = 2**32 - 2  # uid_t; the last one means "as it is"


@dataclass(frozen=True)
class Order:
    """One program to start."""

    file: str  # as it was given, or the shell
    programs: tuple[bytes, ...]  # where it may be: the first that is there
    arguments: tuple[bytes, ...]  # with the name that it sees
    environment: tuple[bytes, ...]
    directory: bytes | None
    has_own_session: bool
    has_own_group: bool
    uid: int | None
    gid: int | None


def order_of(
    command: Text,
    args: Iterable[Text],
    *,
    cwd: Text | None,
    env: Mapping[Any, Any] | None,
    argv0: Text | None,
    shell: bool | Text,
    detached: bool,
    kill_group: bool,
    uid: int | None,
    gid: int | None,
) -> Order:
    """Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE."""
    file = _text(command, "command")
    if not file:
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="command", expected="not empty", received=command)
    if isinstance(args, str | bytes) or not isinstance(args, Iterable):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="args", expected="a list", received=type(args).__name__)
    rest = [_text(argument, f"args[{place}]") for place, argument in enumerate(args)]
    if shell:
        if rest:
            raise TreadleError(
                "ERR_INVALID_ARG_VALUE",
                name="args",
                expected="empty where a shell is asked for",
                received=list(args),
                hint="The shell would read them as a part of the command: put them there by shlex.join(), or leave the shell out",
            )
        rest = [b"-c", file]
        file = SHELL if shell is True else _text(shell, "shell")
    environment = _environment(env)
    return Order(
        file=os.fsdecode(file),
        programs=_programs(file, environment),
        arguments=(file if argv0 is None else _text(argv0, "argv0"), *rest),
        environment=tuple(name + b"=" + value for name, value in environment.items()),
        directory=None if cwd is None else _text(cwd, "cwd"),
        has_own_session=bool(detached),
        has_own_group=bool(kill_group),
        uid=_identity(uid, "uid"),
        gid=_identity(gid, "gid"),
    )


def _text(value: Any, name: str) -> bytes:
    if not isinstance(value, str | bytes | os.PathLike):
        hint = f"The system takes texts: str({value!r}), if that is meant" if isinstance(value, int | float) else None
        received = type(value).__name__
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="str, bytes or a path", received=received, hint=hint)
    text = os.fsencode(value)
    if b"\0" in text:
        raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected="without NUL", received=value)
    return text


def _environment(env: Mapping[Any, Any] | None) -> dict[bytes, bytes]:
    if env is None:
        return dict(os.environb)
    if not isinstance(env, Mapping):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="env", expected="a mapping", received=type(env).__name__)
    environment = {_text(name, "a name of env"): _text(value, f"env[{name!r}]") for name, value in env.items()}
    for name in environment:
        if b"=" in name:
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="a name of env", expected="without =", received=name)
    return environment


def _programs(file: bytes, environment: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    # COMPAT(node): by the PATH that the child is to have.
    if b"/" in file:
        return (file,)
    path = environment.get(b"PATH", os.fsencode(os.defpath))
    return tuple(os.path.join(directory, file) for directory in path.split(b":"))


def _identity(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(value).__name__)
    if not 0 <= value <= ID_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from 0 to {ID_MAX}", received=value)
    return value
