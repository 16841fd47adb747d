"""Five channels that tell of one operation, from its start to its end.

    trace_sync       start, [error], end
    trace_async      start, end at its first suspension; then [error], async_start, async_end when it is done. Where the call
                     itself raises, and nothing can be awaited: start, error, end
    trace_callback   start, end when the function returns; [error], async_start, the callback, async_end

All five get the same message, a dict, which gains "result" or "error". With nobody listening, nothing but the call happens.
Not here: a single channel (_channel.py). Source: Node, class TracingChannel.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.context._steps import stepped
from treadle.diagnostics_channel._channel import Channel, Subscriber, channel

__all__ = ["TracingChannel", "tracing_channel"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

Message = dict[str, Any]

EVENTS: Final = ("start", "end", "async_start", "async_end", "error")


class TracingChannel:
    """Made by tracing_channel(). Source: Node, class TracingChannel."""

    __slots__ = ("async_end", "async_start", "end", "error", "start")

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.start = channels["start"]
        self.end = channels["end"]
        self.async_start = channels["async_start"]
        self.async_end = channels["async_end"]
        self.error = channels["error"]

    def __repr__(self) -> str:
        return f"<TracingChannel {self.start.name!r} ... has_subscribers={self.has_subscribers}>"

    @property
    def has_subscribers(self) -> bool:
        """Whether any of the five has."""
        return (
            self.start.has_subscribers
            or self.end.has_subscribers
            or self.async_start.has_subscribers
            or self.async_end.has_subscribers
            or self.error.has_subscribers
        )

    def subscribe(self, **subscribers: Subscriber) -> None:
        """subscribe(start=..., error=...): each to the channel of its name. Raises TreadleError: ERR_INVALID_ARG_TYPE,
        ERR_INVALID_ARG_VALUE (no such name); then none is subscribed."""
        for name, subscriber in subscribers.items():
            self._named(name)
            require_callable(subscriber, name)
        for name, subscriber in subscribers.items():
            self._named(name).subscribe(subscriber)

    def unsubscribe(self, **subscribers: Subscriber) -> bool:
        """Undo subscribe() with the same arguments; False if one of them was not there."""
        was_there = [self._named(name).unsubscribe(subscriber) for name, subscriber in subscribers.items()]
        return all(was_there)

    def trace_sync(
        self, callback: Callable[_P, _T], message: Message | None = None, /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """callback(*args, **kwargs), traced. Returns and raises what it does; with subscribers ERR_INVALID_ARG_TYPE (message)."""
        if not self.has_subscribers:
            return callback(*args, **kwargs)
        message = _message_of(message)
        return self.start.run_stores(message, self._call, message, partial(callback, *args, **kwargs), True)

    async def trace_async(
        self, callback: Callable[_P, Awaitable[_T]], message: Message | None = None, /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """`await callback(*args, **kwargs)`, traced: tracePromise of Node. Begins when it is awaited. A cancellation counts as an
        error. Raises what callback does, and with subscribers ERR_INVALID_ARG_TYPE (message)."""
        if not self.has_subscribers:
            return await callback(*args, **kwargs)
        message = _message_of(message)
        return await self.start.run_stores(message, self._call_async, message, partial(callback, *args, **kwargs))

    def trace_callback(
        self,
        callback: Callable[..., _T],
        position: int = -1,
        message: Message | None = None,
        /,
        *args: Any,
    ) -> _T:
        """callback(*args), traced to the call of args[position], a function (error or None, result). Raises TreadleError:
        ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, besides what callback does."""
        if not self.has_subscribers:
            return callback(*args)
        if not -len(args) <= position < len(args):
            raise TreadleError(
                "ERR_OUT_OF_RANGE", name="position", expected=f"that of one of {len(args)} arguments", received=position
            )
        message = _message_of(message)
        done = args[position]
        require_callable(done, "callback")
        replaced = list(args)
        replaced[position] = partial(self._called_back, message, done)
        return self.start.run_stores(message, self._call, message, partial(callback, *replaced), False)

    def _named(self, name: str) -> Channel:
        if name not in EVENTS:
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="subscribers", expected=f"of {', '.join(EVENTS)}", received=name)
        found: Channel = getattr(self, name)
        return found

    def _call(self, message: Message, call: Callable[[], _T], keeps_result: bool) -> _T:
        try:
            result = call()
            if keeps_result:
                message["result"] = result
            return result
        except BaseException as error:
            self._failed(message, error)
            raise
        finally:
            self.end.publish(message)

    async def _call_async(self, message: Message, call: Callable[[], Awaitable[_T]]) -> _T:
        try:
            awaitable = call()
        except BaseException as error:
            self._failed(message, error)
            self.end.publish(message)
            raise
        has_ended = False

        def run_step(step: Callable[[Any], Any], value: Any) -> Any:
            nonlocal has_ended
            try:
                return step(value)
            finally:
                if not has_ended:
                    has_ended = True
                    self.end.publish(message)

        try:
            message["result"] = result = await stepped(_awaited(awaitable), run_step)
            return result
        except BaseException as error:
            self._failed(message, error)
            raise
        finally:
            self.async_start.publish(message)
            self.async_end.publish(message)

    def _called_back(self, message: Message, done: Callable[..., object], error: Any = None, *results: Any) -> object:
        if error is not None:
            self._failed(message, error)
        else:
            message["result"] = results[0] if results else None
        return self.async_start.run_stores(message, self._resume, message, partial(done, error, *results))

    def _resume(self, message: Message, call: Callable[[], object]) -> object:
        try:
            return call()
        finally:
            self.async_end.publish(message)

    def _failed(self, message: Message, error: object) -> None:
        message["error"] = error
        self.error.publish(message)


def _message_of(message: Message | None) -> Message:
    if message is None:
        return {}
    if not isinstance(message, MutableMapping):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="message", expected="a dict", received=type(message).__name__)
    return message


async def _awaited(awaitable: Awaitable[_T]) -> _T:
    return await awaitable


def tracing_channel(name_or_channels: str | Mapping[str, Channel], /) -> TracingChannel:
    """The tracing channel of a name, of the channels `tracing:{name}:start` and so on. Or one of five channels of your own, by
    what they tell of. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
    if isinstance(name_or_channels, str):
        return TracingChannel({event: channel(f"tracing:{name_or_channels}:{event}") for event in EVENTS})
    if not _are_channels(name_or_channels):
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE",
            name="name_or_channels",
            expected=f"a str, or a mapping of {', '.join(EVENTS)} to channels",
            received=type(name_or_channels).__name__,
        )
    return TracingChannel(name_or_channels)


def _are_channels(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(value.get(event), Channel) for event in EVENTS)
