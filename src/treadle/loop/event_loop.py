"""treadle's event loop with asyncio's face.

`LoopCore` (native) schedules, polls and moves the bytes of stream sockets; what is cold (resolving, connecting, TLS, executors,
subprocesses) is asyncio's own code, which reaches the core through a few private methods of BaseSelectorEventLoop. Those
overridden here are the whole border: reading them tells what runs where. Not here: programs and their end (program.py).
"""

from __future__ import annotations

import asyncio
import errno
import functools
import selectors
import socket
import sys
import threading
import warnings
from asyncio import SelectorEventLoop, base_events, constants, format_helpers
from asyncio.log import logger
from collections.abc import Callable, Coroutine
from contextvars import Context
from traceback import StackSummary
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet, WeakValueDictionary

from treadle._base.main_thread import is_main_thread
from treadle._base.standard_descriptors import hold_standard_descriptors
from treadle._native.callbacks import at_any_rate
from treadle._native.loop import LoopCore
from treadle._native.tcp import Listener
from treadle._native.transport import SocketTransport, Transport, TransportListener
from treadle.loop import frameless, hooks, left_open, slow, task_steps, tls
from treadle.loop.children import Children, can_watch
from treadle.loop.datagrams import named_by
from treadle.loop.executor_calls import ExecutorCalls
from treadle.loop.signals import SignalPipe
from treadle.loop.starvation import StarvationLog

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_T = TypeVar("_T")

ADDS_WATCHERS = (SelectorEventLoop.add_reader.__code__, SelectorEventLoop.add_writer.__code__)
NODE_METHODS = frozenset({"next_tick", "queue_microtask", "set_immediate", "set_interval", "set_timeout"})


class _Watched:
    """Stands where BaseSelectorEventLoop keeps its selector: the core polls, and asyncio's transports ask only in their repr."""

    def __init__(self, core: LoopCore) -> None:
        self._core = core

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """What is waited for on a descriptor, or on what has one. Raises KeyError where nothing is."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        watcher = self._core.watcher(fd)
        if watcher is None or not watcher.interest & (selectors.EVENT_READ | selectors.EVENT_WRITE):
            raise KeyError(fileobj)
        return selectors.SelectorKey(fileobj, fd, watcher.interest & (selectors.EVENT_READ | selectors.EVENT_WRITE), None)

    def close(self) -> None: ...


class Companion(Protocol):
    """What a package above keeps for one loop."""

    def drop_waiting(self) -> None:
        """The program has ended: no callback of Node's kind runs any more."""

    def forked(self) -> None:
        """This is a forked child, which goes on with the loop: what is under way is the parent's."""

    def abandon(self) -> None:
        """The loop is closed: let go of everything, and tell nobody."""


class EventLoop(LoopCore, SelectorEventLoop):  # type: ignore[misc]
    """An asyncio event loop whose turn is Node's: timers, pending, poll, check, close; microtasks between any two callbacks.

    Thread-safety: as asyncio, only call_soon_threadsafe may be called from another thread. Source: CPython's documentation of
    asyncio's event loop; where treadle promises more (order, starvation, tasks that do not vanish) see docs/design/loop.md.
    """

    if TYPE_CHECKING:  # of BaseEventLoop, which the stubs of asyncio do not show
        _debug: bool
        _task_factory: Callable[..., Any] | None
        _thread_id: int | None
        _signal_handlers: dict[int, Any]
        _internal_fds: int
        _default_executor: Any
        _executor_shutdown_called: bool
        _do_shutdown: Callable[[asyncio.Future[Any]], None]
        _transports: WeakValueDictionary[int, Any]
        _check_running: Callable[[], None]
        _check_thread: Callable[[], None]
        _check_callback: Callable[[object, str], None]
        _ensure_fd_no_transport: Callable[[Any], None]
        _read_from_self: Callable[[], None]
        _set_coroutine_origin_tracking: Callable[[bool], None]
        _asyncgen_firstiter_hook: Callable[[Any], None]
        _asyncgen_finalizer_hook: Callable[[Any], None]

    _is_winding_up = False  # set once: its program is over, and what is left of it is cancelled
    _is_whole = False  # set once: by the end of __init__, which an exception, Ctrl-C say, may cut short

    def __init__(self) -> None:
        SelectorEventLoop.__init__(self, _Watched(self))  # type: ignore[arg-type]
        self.adopt_asyncio(
            task_steps.STEP_TYPE,
            task_steps.PYTHON_STEP,
            asyncio.current_task,
            task_steps.task_ended,
            asyncio.Future,
            asyncio.Task,
        )
        self.starvation_hook = StarvationLog().report
        self.uncaught_hook = hooks.take_uncaught
        self._signal_pipe: SignalPipe | None = None
        self._listeners: dict[int, Listener] = {}
        self.children = Children()
        self._executor_calls = ExecutorCalls()
        self._foreign: WeakSet[Any] = WeakSet()  # transports that are asyncio's own
        self.companions: dict[str, Companion] = {}  # by package
        self._find_clock()
        self._is_whole = True

    def __repr__(self) -> str:
        state = "closed" if self.is_closed() else "running" if self.is_running() else "open"
        return f"<{type(self).__name__} {state} debug={self.get_debug()}>"

    # ---- the clock

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "time":
            self._find_clock()
        elif name in NODE_METHODS:
            self.has_own_faces = True

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name == "time":
            self._find_clock()

    def _find_clock(self) -> None:
        # COMPAT(asyncio): whoever replaces time(), as tests do, owns the clock that call_later and call_at go by.
        is_replaced = "time" in self.__dict__ or type(self).time is not LoopCore.time
        self.alarm_clock = self.time if is_replaced else None

    # ---- the run

    def run_forever(self) -> None:
        """Run until stop()."""
        self._run(while_alive=False)

    def run_while_alive(self) -> None:
        """Run until stop(), or until nothing is left that holds the program: no ref'd handle, timer or request."""
        self._run(while_alive=True)

    def _run(self, *, while_alive: bool) -> None:
        self._check_closed()
        self._check_running()
        self._find_clock()  # the class may have another one since
        self._set_coroutine_origin_tracking(self._debug)
        before = sys.get_asyncgen_hooks()
        self._thread_id = threading.get_ident()
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
        asyncio._set_running_loop(self)
        try:
            if is_main_thread():
                with self._pipe().armed():
                    self.run_turns(while_alive)
            else:
                self.run_turns(while_alive)
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*before)

    def forked(self) -> None:
        """A forked child goes on with this loop, amid its run: what is the parent's is let go of, and the loop runs here, which
        asyncio has ended by the fork."""
        if self._signal_pipe is not None:
            self._pipe()
        self._executor_calls.renew_if_forked(self)
        self.children.renew_if_forked(self)
        for companion in self.companions.values():
            companion.forked()
        asyncio._set_running_loop(self)

    def drop_waiting(self) -> None:
        """LoopCore's, and the same of what packages above keep for this loop."""
        super().drop_waiting()
        for companion in self.companions.values():
            companion.drop_waiting()

    def __del__(self) -> None:
        if self.is_closed_native:  # or it never came to be
            return
        try:
            if self._is_whole:
                SelectorEventLoop.__del__(self)  # which warns, and closes it
        finally:
            LoopCore.__del__(self)

    def close(self) -> None:
        """Let go of everything, listeners and connections too: nobody is told, but sys.unraisablehook of what cannot be closed.
        Not while it runs; a second time is no harm. Raises RuntimeError."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        self.children.abandon(self)
        for foreign in list(self._foreign):
            at_any_rate(left_open.abandon, foreign)
        for companion in self.companions.values():
            at_any_rate(companion.abandon)
        self.companions.clear()
        SelectorEventLoop.close(self)
        for transport in list(self._transports.values()):  # also those that the core does not watch: paused, or about to end
            if isinstance(transport, Transport):
                at_any_rate(transport.abandon)
                left_open.abandon_tls(transport.get_protocol())
        self._listeners.clear()
        self.close_core()

    # ---- debug mode

    def set_debug(self, enabled: bool) -> None:
        """asyncio's: calls are checked, and remember where they were made."""
        super().set_debug(enabled)
        self.observe(bool(enabled), self.tracer)

    def check_call(self, callback: object, method: str, is_on_loop_thread: bool) -> StackSummary | None:
        """What is wrong with a call, in asyncio's words, else a traceback of where it was made."""
        if is_on_loop_thread:
            self._check_thread()
        self._check_callback(callback, method)
        return format_helpers.extract_stack(sys._getframe(1))

    def trace_call(self) -> StackSummary:
        """A traceback of where add_reader, add_writer or the like was called."""
        caller: FrameType | None = sys._getframe(1)
        if caller is not None and caller.f_code in ADDS_WATCHERS:
            caller = caller.f_back
        return format_helpers.extract_stack(caller)

    def check_duration(self, callback: object, subject: object, duration_s: float) -> None:
        """Say so where a callback, a step of a task, a request's handler or what a descriptor was ready for took
        slow_callback_duration or longer."""
        if duration_s >= self.slow_callback_duration:
            logger.warning("Executing %s took %.3f seconds", slow.describe(callback, subject), duration_s)

    # ---- tasks, executors, errors

    def _make_task(
        self, coro: Coroutine[Any, Any, _T], name: str | None, context: Context | None, kwargs: dict[str, Any]
    ) -> asyncio.Task[_T]:
        task: Any = base_events.BaseEventLoop.create_task(self, coro, name=name, context=context, **kwargs)
        if self._task_factory is None and task._source_traceback:
            del task._source_traceback[-1]  # as asyncio does of its own frame: the last one is where the user asked for it
        made: asyncio.Task[_T] = task
        return made

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """asyncio's; the call holds the program until it is through."""
        self._executor_calls.renew_if_forked(self)
        if executor is not None:  # the user's own, which may pickle what it calls
            future: asyncio.Future[_T] = base_events.BaseEventLoop.run_in_executor(self, executor, func, *args)
            self._executor_calls.hold(self, future)
            return future
        if self._debug:
            self._check_callback(func, "run_in_executor")
        call = self._executor_calls.timed(func)
        future = base_events.BaseEventLoop.run_in_executor(self, None, call, *args)
        self._executor_calls.hold(self, future, call)
        return future

    def executor_statistics(self) -> dict[str, Any]:
        """The default executor's calls, for treadle.pool.statistics()."""
        return self._executor_calls.statistics(self._default_executor)

    def set_default_executor(self, executor: Any) -> None:
        """asyncio's. A forked child has another one, until it sets its own."""
        self._executor_calls.renew_if_forked(self)
        super().set_default_executor(executor)

    def explain_failure(self, scheduled_by: str, callback: object, exception: BaseException) -> None:
        """A callback of Node's kind failed: say which one, where its traceback does not. Before any listener hears of it."""
        frameless.explain(scheduled_by, callback, exception)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """asyncio's: the handler that was set, or a log entry on the logger 'asyncio'. What ends the program is no error.
        What a listener for 'unhandled_rejection' hears is not logged."""
        error = context.get("exception")
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return
        if error is not None and self._tell_unhandled(context, error) and self.get_exception_handler() is None:
            return
        base_events.BaseEventLoop.call_exception_handler(self, context)

    def _tell_unhandled(self, context: dict[str, Any], error: BaseException) -> bool:
        future = context.get("future")
        return (
            hooks.unhandled_rejection is not None
            and future is not None
            and str(context.get("message")).endswith(" exception was never retrieved")  # of Task.__del__ and Future.__del__
            and hooks.unhandled_rejection(self, error, future)
        )

    # ---- child processes and what else asyncio's own transports carry

    async def _make_subprocess_transport(self, *args: Any, **kwargs: Any) -> Any:
        if sys.version_info < (3, 14):  # COMPAT(asyncio): in its words, although its watcher is not used
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                watcher = asyncio.get_child_watcher()
            with watcher:
                if not watcher.is_active():
                    raise RuntimeError("asyncio.get_child_watcher() is not activated, subprocess support is not installed.")
        if can_watch():
            return await self.children.start(self, *args, **kwargs)
        transport = await super()._make_subprocess_transport(*args, **kwargs)  # type: ignore[misc]
        self.children.hold(self, transport)
        return transport

    def _child_watcher_callback(self, pid: int, returncode: int, transport: Any) -> None:
        # asyncio may call this on a thread of its own.
        self.call_soon_threadsafe(self.children.exited, self, transport, returncode)

    def _make_datagram_transport(
        self, sock: socket.socket, protocol: Any, address: Any = None, waiter: Any = None, extra: dict[str, Any] | None = None
    ) -> Any:
        transport = super()._make_datagram_transport(  # type: ignore[misc]
            sock, protocol, address, waiter, named_by(sock, extra)
        )
        self._foreign.add(transport)
        return transport

    def _make_read_pipe_transport(self, *args: Any, **kwargs: Any) -> Any:
        transport = super()._make_read_pipe_transport(*args, **kwargs)  # type: ignore[misc]
        self._foreign.add(transport)
        return transport

    def _make_write_pipe_transport(self, *args: Any, **kwargs: Any) -> Any:
        transport = super()._make_write_pipe_transport(*args, **kwargs)  # type: ignore[misc]
        self._foreign.add(transport)
        return transport

    # ---- wake-ups and signals

    def _pipe(self) -> SignalPipe:
        if self._signal_pipe is None:
            self._signal_pipe = SignalPipe(self)
        elif self._signal_pipe.is_inherited():
            self._signal_pipe.renew()  # what a forked child writes into it would be its parent's signals
        self._ssock, self._csock = self._signal_pipe.reader, self._signal_pipe.writer
        return self._signal_pipe

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """asyncio's: callback(*args) runs in the loop, not in the signal."""
        self._check_closed()
        pipe = self._pipe()
        try:
            super().add_signal_handler(sig, callback, *args)
        finally:
            pipe.rearm()

    def remove_signal_handler(self, sig: int) -> bool:
        """asyncio's; whoever else listens for that signal or another one still hears it."""
        was_there = super().remove_signal_handler(sig)
        if was_there and self._signal_pipe is not None:
            self._signal_pipe.rearm()
        if was_there and hooks.signal_dropped is not None:
            hooks.signal_dropped(sig)
        return was_there

    def _handle_signal(self, sig: int) -> None:
        super()._handle_signal(sig)  # type: ignore[misc]
        if hooks.signal is not None:
            hooks.signal(sig)

    def has_heard_signal(self) -> bool:
        """For the handler of a signal that has just come: whether hooks.signal is told of it, in a poll phase of this run."""
        return self._signal_pipe is not None and self._signal_pipe.has_heard()

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None  # type: ignore[assignment]  # made by _pipe() when somebody needs it
        self._internal_fds = 1  # asyncio counts its pipe; here the core's own wake-up takes its place

    def _close_self_pipe(self) -> None:
        if self._signal_pipe is not None:
            self._signal_pipe.close()
            self._signal_pipe = None
        self._ssock = self._csock = None  # type: ignore[assignment]
        self._internal_fds = 0

    @property
    def _nest_patched(self) -> bool:
        # COMPAT(nest_asyncio): asked before anything else. It would take the loop apart for asyncio's own turn, which is none of
        # this loop's, and refuses what is no BaseEventLoop in these words. For everybody else there is no such attribute.
        if sys._getframe(1).f_globals.get("__name__") == "nest_asyncio":
            raise ValueError(f"Can't patch loop of type {type(self)}: a treadle loop does not run inside itself")
        raise AttributeError("_nest_patched")

    def _write_to_self(self) -> None:
        self.wake()

    def _add_callback(self, handle: asyncio.Handle) -> None:
        if not handle.cancelled():
            self.call_soon(handle._run)

    def _add_callback_signalsafe(self, handle: asyncio.Handle) -> None:
        if not handle.cancelled():
            self.call_soon_threadsafe(handle._run)

    # ---- sockets

    def _make_socket_transport(
        self, sock: socket.socket, protocol: Any, waiter: Any = None, *, extra: Any = None, server: Any = None
    ) -> SocketTransport:
        self._ensure_fd_no_transport(sock)
        return SocketTransport(self, sock, protocol, waiter=waiter, extra=extra, server=server)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        ssl_handshake_timeout: Any = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: Any = constants.SSL_SHUTDOWN_TIMEOUT,
    ) -> Any:
        self._ensure_fd_no_transport(rawsock)
        ssl_protocol = tls.PROTOCOL(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        SocketTransport(self, rawsock, ssl_protocol, extra=extra, server=server)
        return ssl_protocol._app_transport

    def _start_serving(
        self,
        protocol_factory: Callable[[], Any],
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: Any = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: Any = constants.SSL_SHUTDOWN_TIMEOUT,
    ) -> None:
        if sslcontext is not None:
            protocol_factory = functools.partial(
                self._tls_protocol, protocol_factory, sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        listener = TransportListener(self, sock, protocol_factory, server, self._pause_accepting)
        self._listeners[sock.fileno()] = listener
        listener.start()

    def _tls_protocol(
        self, protocol_factory: Callable[[], Any], sslcontext: Any, ssl_handshake_timeout: Any, ssl_shutdown_timeout: Any
    ) -> Any:
        return tls.PROTOCOL(
            self,
            protocol_factory(),
            sslcontext,
            None,  # nobody waits for the handshake
            server_side=True,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    start_tls = tls.start_tls

    def _stop_serving(self, sock: socket.socket) -> None:
        if sock.fileno() < 0:  # it was closed with the loop
            return
        listener = self._listeners.pop(sock.fileno(), None)
        if listener is not None:
            listener.stop_accepting()
        super()._stop_serving(sock)  # type: ignore[misc]  # closes it, and from 3.13 on unlinks the path of a Unix socket
        if listener is not None:
            listener.close()

    def _pause_accepting(self, listener: Listener, error: OSError) -> None:
        """No descriptor or memory is left, or the socket is broken: say so, and try again in a second."""
        is_exhausted = error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
        message = "socket.accept() out of system resource" if is_exhausted else "socket.accept() failed"
        self.call_exception_handler({"message": message, "exception": error})
        self.call_later(constants.ACCEPT_RETRY_DELAY, listener.start)


class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """asyncio's policy, making treadle's loops."""

    def _loop_factory(self) -> EventLoop:
        return new_event_loop()


def new_event_loop() -> EventLoop:
    """A new treadle loop: for ``asyncio.Runner(loop_factory=treadle.new_event_loop)``, and ``asyncio.run`` from 3.12 on."""
    hold_standard_descriptors()  # ORDER: before the loop opens any
    return EventLoop()


def install() -> None:
    """Make every new event loop of asyncio in this process a treadle loop: sets the event loop policy."""
    asyncio.set_event_loop_policy(EventLoopPolicy())
