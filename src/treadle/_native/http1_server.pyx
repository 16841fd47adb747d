"""A server's handler and its connections: who is called for a request, and what follows when it fails.

Invariant: a handler's exception ends its request, never the server; a handler that suspends has one Task, the same object before
and after, held here until it is done. Not here: what happens on a connection (http1_connection.pyx), ASGI (asgi1.pyx), the texts of
errors and logs (treadle.http.policy).
"""
from asyncio import CancelledError, iscoroutine

from cpython.object cimport PyObject_Call

from treadle._native.http1_connection cimport Connection, new_connection
from treadle._native.http1_exchange cimport Site, Wire
from treadle._native.http1_phases cimport HEAD, IDLE, LINGERING
from treadle._native.http1_preface cimport Preface, new_preface
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore
from treadle._native.loop cimport LoopCore
from treadle._native.tasks cimport has_eager_tasks
from treadle._native.tcp cimport Listener, Stream, address_name, sockaddr, sockaddr_in6
from treadle._native.unread cimport limit_unsent

cdef extern from "Python.h":
    object PyContext_CopyCurrent()
    bint PyCoro_CheckExact(object candidate)
    Py_ssize_t Py_REFCNT(object counted)

cdef extern from *:
    """
    static inline PyObject *treadle_handle(PyObject *context, PyObject *handler, PyObject *request, PyObject *response) {
        PyObject *arguments[2] = {request, response};
        PyObject *result;
        if (PyContext_Enter(context) < 0) return NULL;
        result = PyObject_Vectorcall(handler, arguments, 2, NULL);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
        return result;
    }
    """
    object call_handler "treadle_handle"(object context, object handler, object request, object response)


async def wait_for(awaitable):
    """A coroutine of anything that can be awaited: a Task takes nothing else."""
    return await awaitable


cdef class ServerCore(Site):
    """A server whose handler is called with each request and its answer."""

    def __init__(self, LoopCore loop, task_type):
        Site.__init__(self, loop)
        self.task_type = task_type
        self.done_of = task_type.done                   # PERF: looked up once
        self.exception_of = task_type.exception
        self.task_options = {"loop": loop, "eager_start": True} if has_eager_tasks() else {"loop": loop}
        self.tasks = {}

    # ---- what the subclass says

    def handler_failed(self, exception, request, response):
        """A handler raised; `response` may still be answered when nothing of it has been sent."""
        raise NotImplementedError

    def unanswered(self, request, response, result):
        """A handler has returned `result`, and nobody is left who could answer its request."""
        raise NotImplementedError

    def answer_lost(self, request, response):
        """A handler has answered, in vain: it had destroyed the request, and with it the connection."""
        raise NotImplementedError

    # ---- for the subclass

    @property
    def connection_count(self):
        """Open connections, those that others have taken over, and those whose PROXY header is still to come, among them."""
        return self.held()

    @property
    def request_count(self):
        """Requests under way: those of which something has arrived, and whose answer is not complete."""
        cdef Connection connection
        cdef Py_ssize_t count = 0
        for connection in self.connections:
            count += connection.phase != IDLE and connection.phase < LINGERING
        return count

    @property
    def task_count(self):
        """Handlers that are suspended."""
        return len(self.tasks)

    def handlers(self):
        """(task, method, target) of each handler that is suspended."""
        cdef HandlerEnd end
        cdef RequestCore request
        found = []
        for task, end in self.tasks.items():
            request = end.request
            found.append((task, request.method, request.url))
        return found

    def close_idle_connections(self):
        """End the connections that no message is under way on, and has not arrived at the kernel either. How many. New ones, of
        which nothing has come yet, stay: if the server closes, for as long as their first message may be on its way."""
        cdef Connection connection
        cdef Preface preface
        cdef Py_ssize_t count = 0
        if self.is_closing:
            for preface in list(self.prefaces):
                count += preface.close_idle()
        for connection in list(self.connections):
            if connection.phase == IDLE:
                count += connection.close_idle(True)
            elif connection.phase == HEAD:
                connection.hurry(self.linger_ms)
        return count

    def cut_answers(self):
        """The server stops, and waits no longer. What has no answer yet is answered 503, an event stream ends as if its source
        had, any other answer breaks off; each by FIN, so that the peer reads what was sent. How many of each."""
        cdef Connection connection
        cdef Preface preface
        cdef Py_ssize_t refused = 0, ended = 0, cut = 0
        self.abort_signals()
        self.end_prefaces()
        for connection in list(self.connections):
            if connection.phase == IDLE:
                connection.close_idle(False)
            elif connection.closing or connection.phase >= LINGERING:
                pass
            elif connection.response is None:           # the answer is complete, the request is not
                connection.linger()
            elif connection.response.is_unsent:
                refused += 1
                connection.refuse("STOPPING")
            elif connection.response.end_event_stream():
                ended += 1
                connection.linger()
            else:
                cut += 1
                if connection.is_ended_by_close():
                    connection.end_now(None)
                else:
                    connection.linger()
                    if connection.sender is not None:
                        connection.sender.stop()    # ORDER: behind linger(): whoever sent by it finds the answer lost
        return refused, ended, cut

    def abort_signals(self):
        """The server waits no longer for the answers under way: tell who listens to the signal of their requests."""
        cdef Connection connection
        for connection in list(self.connections):
            if connection.response is not None:
                connection.request.depart("ERR_HTTP_SERVER_CLOSING")

    def close_all_connections(self):
        """End all connections at once; answers under way are cut."""
        cdef Connection connection
        cdef Preface preface
        self.abort_signals()
        self.end_prefaces()
        for connection in list(self.connections):
            connection.end_now(None)

    def cancel_tasks(self):
        """Cancel the handlers that are suspended, each once: a second time would hit its cleaning up."""
        cdef HandlerEnd end
        for task, end in list(self.tasks.items()):
            if end.task is not None:
                end.task = None
                task.cancel()

    def abort_message(self, ResponseCore response):
        """Cut the answer behind what was handed over of it: the peer sees that it is incomplete."""
        if response.connection is not None:
            response.connection.uncork()        # ORDER: it waits for the end of the handler's step, which is never
        if response.connection is not None:
            response.connection.end_now(None)

    # ---- inside

    cdef int end_prefaces(self) except -1:
        cdef Preface preface
        for preface in list(self.prefaces):
            preface.end_now()
        return 0

    cdef int dispatch(self, Wire wire) except -1:
        cdef Connection connection = <Connection>wire
        cdef RequestCore request = connection.request
        cdef ResponseCore response = connection.response
        cdef object context = PyContext_CopyCurrent()
        try:
            result = call_handler(context, self.handler, request, response)
            if result is None:
                self.handler_over(request, response, None)
            elif PyCoro_CheckExact(result) or iscoroutine(result):
                self.start_task(request, response, result, context)
            elif hasattr(result, "__await__"):      # a future, a task: whatever else a handler may return to be waited for
                self.start_task(request, response, wait_for(result), context)
            else:
                self.handler_over(request, response, result)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.let_go(request)
            self.handler_failed(exception, request, response)
        return self.keep_spares(request, response)

    cdef int keep_spares(self, RequestCore request, ResponseCore response) except -1:
        # An exchange is over for whoever was called, at once. What nobody else has serves the next one.
        if self.spare_request is None and Py_REFCNT(request) == 1 and type(request) is self.request_type and request.renew():
            self.spare_request = request
        if self.spare_response is None and Py_REFCNT(response) == 1 and type(response) is self.response_type and response.renew():
            self.spare_response = response
        return 0

    cdef int start_task(self, RequestCore request, ResponseCore response, coroutine, context) except -1:
        # The handler's one and only Task, from before its first suspension on. context None: a copy of the current one.
        cdef dict options = self.task_options
        if context is not None:
            options = {**options, "context": context}
        task = PyObject_Call(self.task_type, (coroutine,), options)     # PERF: a call with names would make a dict of them each time
        if has_eager_tasks() and self.done_of(task):
            self.task_ended(task, request, response)
            return 0
        end = HandlerEnd(self, request, response, task)
        self.tasks[task] = request.running = end
        task.add_done_callback(end)
        if request._departure is not None:      # before it was called
            request.cancel_soon()
        return 0

    cdef int handler_over(self, RequestCore request, ResponseCore response, result) except -1:
        # It has returned. Who could still answer must hold the response: two references are the connection's and our own.
        cdef Wire connection
        self.let_go(request)
        connection = response.connection
        if connection is not None and not response.finished and not connection.closing and Py_REFCNT(response) <= 2:
            self.unanswered(request, response, result)
        elif request._is_given_up and response.headers_sent:
            self.answer_lost(request, response)
        return 0

    cdef int let_go(self, RequestCore request) except -1:
        request.is_handler_over = True
        if request.connection is not None:
            request.connection.handler_over(request)
        return 0

    cdef object failure_of(self, task):
        # Of one that is done; None also where it was cancelled.
        try:
            return self.exception_of(task)
        except CancelledError:
            return None

    cdef int task_ended(self, task, RequestCore request, ResponseCore response) except -1:
        # The Task of an async handler is done.
        exception = self.failure_of(task)
        if exception is None and not task.cancelled():
            return self.handler_over(request, response, task.result())
        self.let_go(request)
        if isinstance(exception, (SystemExit, KeyboardInterrupt)):
            return 0        # the task's step has raised it already, and so ended the program
        self.handler_failed(exception, request, response)
        return 0


cdef class HandlerEnd:
    # Done-callback of a handler's task, and who cancels that.

    def __init__(self, server, request, response, task):
        self.server = server
        self.request = request
        self.response = response
        self.task = task

    def cancel(self):
        """Nobody waits for the answer any more. No effect once that is complete, or the handler over; and but once."""
        cdef object task = self.task
        if task is not None and not self.response.finished:
            self.task = None
            if self.response.connection is not None:
                self.response.connection.end_now(None)      # the peer has ended its side: it is not told of a failure
            task.cancel()

    def __call__(self, task):
        cdef ServerCore server = self.server
        cdef RequestCore request = self.request
        cdef ResponseCore response = self.response
        self.server = self.request = self.response = self.task = None       # ORDER: handler_over() counts who holds the response
        request.running = None
        server.tasks.pop(task, None)
        server.task_ended(task, request, response)
        if not server.tasks and not server.connections:
            server.drained()


cdef class HTTPListener(Listener):
    """Accepts connections for a server."""

    def __init__(self, Site server, sock, on_exhausted):
        self.loop = server.loop
        self.server = server
        self.sock = sock
        self.fd = sock.fileno()
        limit_unsent(self.fd)
        self.exhausted = on_exhausted

    def retire(self):
        """Stop accepting. Connections that the kernel holds already are taken: their requests are on the way, and close() would
        reset them."""
        self.take_waiting()
        self.close()

    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1:
        cdef Site server = self.server
        cdef Connection connection
        if server.connections_max >= 0 and server.held() >= server.connections_max:
            return self.drop(fd, peer)
        if server.preface is not None and server.preface.is_due(address_name(<sockaddr *>peer)):
            return new_preface(server, fd, peer)
        connection = new_connection(server, fd, peer)
        if server.tells_connections:
            server.connected(connection)
        return 0

    cdef int drop(self, int fd, sockaddr_in6 *peer) except -1:
        # One too many: closed at once, and told.
        cdef Stream stream = Stream.__new__(Stream)
        stream.fd = fd
        stream.is_fd_ours = True
        stream.peer = peer[0]
        names = (stream.local_name(), stream.peer_name())
        stream.release_fd()
        self.server.dropped(*names)
        return 0

    cdef int on_exhausted(self, error) except -1:
        self.exhausted(self, error)
        return 0
