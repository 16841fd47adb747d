"""ASGI 3 on an HTTP connection: the scope, receive and send of each request.

The request object is the application's `receive` and the response object its `send`, so that a request makes no closures and no
queue. Invariants: http.disconnect for ever once the exchange is over, which is all that receive() gives then, and before that one
http.request at least; what an application sends is of the types that the specification names, or an error that names the message.
Source: https://asgi.readthedocs.io/en/latest/specs/www.html, HTTP spec_version 2.4 (send raises OSError once the peer has left).
Not here: lifespan, logging, how applications are found (treadle.asgi).
"""
from asyncio import iscoroutine
from sys import intern
from urllib.parse import unquote

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.string cimport memchr

from treadle._native.http1_connection cimport Connection
from treadle._native.http1_exchange cimport Wire
from treadle._native.http1_grammar cimport authority_of
from treadle._native.http1_head cimport HeadWriter
from treadle._native.http1_names cimport FieldNames
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore
from treadle._native.http1_server cimport ServerCore
from treadle._native.ready cimport Ready, ready_with
from treadle._native.tls_cipher cimport TLSCipher

from treadle._native.http1_server import wait_for

cdef extern from "Python.h":
    bint PyCoro_CheckExact(object candidate)
    bint PyObject_CheckBuffer(object candidate)

cdef extern from *:
    """
    /* A call with one form only, as interpreters make them: no tuple of arguments. Whatever else takes the way of all calls. */
    static PyObject *treadle_call_by_slot(PyObject *self, PyObject *const *given, size_t count, PyObject *names) {
        Py_ssize_t i, size = PyVectorcall_NARGS(count), named = names ? PyTuple_GET_SIZE(names) : 0;
        PyObject *arguments = PyTuple_New(size), *keywords = named ? PyDict_New() : NULL, *result = NULL;
        int is_fine = arguments && (keywords || !named);
        for (i = 0; is_fine && i < size; i++) PyTuple_SET_ITEM(arguments, i, Py_NewRef(given[i]));
        for (i = 0; is_fine && i < named; i++) is_fine = !PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), given[size + i]);
        if (is_fine) result = Py_TYPE(self)->tp_call(self, arguments, keywords);
        Py_XDECREF(arguments);
        Py_XDECREF(keywords);
        return result;
    }
    static inline void treadle_calls_by(PyObject *type, Py_ssize_t offset) {
        ((PyTypeObject *)type)->tp_vectorcall_offset = offset;
        ((PyTypeObject *)type)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    }
    """
    PyObject *call_by_slot "treadle_call_by_slot"(PyObject *self, PyObject **given, size_t count, PyObject *names) except NULL
    void calls_by "treadle_calls_by"(object type, Py_ssize_t offset) noexcept
    Py_ssize_t count_of "PyVectorcall_NARGS"(size_t count) noexcept

cdef dict VERSIONS = {"version": "3.0", "spec_version": "2.4"}
cdef dict EXTENSIONS = {"http.response.pathsend": {}}   # beside those that are handed in
cdef str USUAL_METHOD = "GET"         # both compared by identity, as usual_method() and begin_exchange() allow
cdef str USUAL_VERSION = intern("1.1")
cdef Ready DONE = ready_with(None)      # stateless, so that one serves all


cdef class ASGICore(ServerCore):
    """A server whose handler is an ASGI application."""

    def __init__(self, loop, task_type, app, root_path="", extensions=None):
        ServerCore.__init__(self, loop, task_type)
        self.app = app
        self.names = FieldNames(lowers=True)
        self.root_path = root_path
        self.request_type = ASGIRequest
        self.response_type = ASGIResponse
        self.template = {
            "type": "http", "asgi": None, "http_version": USUAL_VERSION, "server": None, "client": None, "scheme": "http",
            "method": USUAL_METHOD, "root_path": root_path, "path": "/", "raw_path": b"/", "query_string": b"", "headers": None,
            "extensions": None,
        }
        self.extensions = {**EXTENSIONS, **(extensions or {})}

    def asgi_fault(self, exception, request, response):
        """The application raised, or (None) returned without a complete answer."""
        raise NotImplementedError

    def tls_facts(self, tls):
        """What the extension "tls" of ASGI says of a connection, an ssl.SSLObject: a dict."""
        raise NotImplementedError

    def send_path(self, response, path):
        """An awaitable: the whole body is the file of that path."""
        raise NotImplementedError

    def trailer_lines(self, fields):
        """Trailers, (name, value) as bytes, as they are sent."""
        raise NotImplementedError

    def early_hints(self, links):
        """A whole 103 with these links, bytes."""
        raise NotImplementedError

    def message_refused(self, message, key, expected, value):
        """Raise the error of a message (its type) whose value of this key is not what is expected. message None: it is no message."""
        raise NotImplementedError

    def upgrade_ignored(self, request):
        """A client offers another protocol; the request is answered in this one."""

    cdef int dispatch(self, Wire wire) except -1:
        cdef Connection connection = <Connection>wire
        cdef ASGIRequest request = <ASGIRequest>connection.request
        cdef ASGIResponse response = <ASGIResponse>connection.response
        if connection.said.is_upgrade_offered:
            self.upgrade_ignored(request)
        try:
            coroutine = self.app(self.scope_of(request), request, response)
            if not PyCoro_CheckExact(coroutine) and not iscoroutine(coroutine) and hasattr(coroutine, "__await__"):
                coroutine = wait_for(coroutine)     # an instance of a class that is the application, a future
            self.start_task(request, response, coroutine, None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.let_go(request)
            self.asgi_fault(exception, request, response)
        return self.keep_spares(request, response)

    cdef int task_ended(self, task, RequestCore request, ResponseCore response) except -1:
        # The application has returned.
        exception = self.failure_of(task)
        self.let_go(request)
        if isinstance(exception, (SystemExit, KeyboardInterrupt)):
            return 0        # the task's step has raised it already, and so ended the program
        if exception is not None or not response.finished:
            self.asgi_fault(exception, request, response)
        return 0

    cdef dict scope_of(self, ASGIRequest request):
        cdef dict scope
        cdef bytes target = request.target
        cdef const char *text = PyBytes_AS_STRING(target)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(target)
        cdef const char *query
        cdef Py_ssize_t path_size
        cdef bytes raw_path
        cdef tuple addresses
        cdef const char *authority = authority_of(text, size, &path_size)
        cdef TLSCipher cipher
        if request.origin is None:
            addresses = request.connection.address_pair()
            if addresses[0] is not self.local_name_told:    # mostly that of all connections
                self.local_name_told = addresses[0]
                self.template["server"] = socket_name(addresses[0])
        scope = self.template.copy()
        if authority is not NULL:                       # absolute-form, RFC 9112 section 3.2.2
            target = target[authority + path_size - text:]
            if not target.startswith(b"/"):
                target = b"/" + target
            text = PyBytes_AS_STRING(target)
            size = PyBytes_GET_SIZE(target)
        path_size = size
        query = <const char *>memchr(text, c'?', size)
        if query is not NULL:
            path_size = query - text
            scope["query_string"] = query[1:size - path_size]
            raw_path = text[:path_size]
        else:
            raw_path = target
        if memchr(text, c'%', path_size) is not NULL:
            path = unquote(raw_path.decode("ascii", "surrogateescape"))
        else:
            path = raw_path.decode("latin-1")
        if self.root_path:
            path = self.root_path + path
            raw_path = self.root_path.encode("utf-8") + raw_path
        scope["asgi"] = VERSIONS.copy()     # the application may write into its scope
        scope["extensions"] = self.extensions.copy()
        scope["path"] = path
        scope["raw_path"] = raw_path
        scope["headers"] = request.raw_headers[:]       # as is this, and names are in lower case already
        if request.method is not USUAL_METHOD:
            scope["method"] = request.method
        if request.connection.cipher is not None:
            cipher = <TLSCipher>request.connection.cipher
            if cipher.facts is None:
                cipher.facts = self.tls_facts(cipher.tls)
            (<dict>scope["extensions"])["tls"] = (<dict>cipher.facts).copy()
            scope["scheme"] = "https"
        if request.origin is None:
            scope["client"] = socket_name(addresses[1])
        else:
            scope["scheme"] = request.origin[0]
            scope["client"] = socket_name(request.origin[1])
            scope["server"] = socket_name(request.origin[2])
        if request.http_version is not USUAL_VERSION:
            scope["http_version"] = request.http_version
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope


cdef inline object socket_name(address):
    # (host, port) of a TCP socket, or None.
    if type(address) is not tuple:
        return None
    return address if len(<tuple>address) == 2 else address[:2]


cdef class ASGIRequest(RequestCore):
    """A request; calling it receives the next event of the exchange."""

    def __cinit__(self):
        self.vectorcall = <void *>receive_by

    def __call__(self):
        """The next event of the exchange, as an awaitable."""
        return self.receive()

    cdef object receive(self):
        cdef bytes chunk
        cdef bint has_more
        if self.is_over and self.is_exchange_over():    # ASGI, "Disconnect": whatever of the body is unread
            return ready_with({"type": "http.disconnect"})
        chunk = self.take_chunk()
        if self.expects_continue:
            self.ask_to_continue()
        if chunk is not None:
            has_more = not self.complete or self.body_bytes > 0
            self.is_body_told = not has_more
            return ready_with({"type": "http.request", "body": chunk, "more_body": has_more})
        if self.is_end_due():
            self.is_body_told = True
            return ready_with({"type": "http.request", "body": b"", "more_body": False})
        if self.is_over or self.aborted:
            return ready_with({"type": "http.disconnect"})
        return self.wait_and_receive()

    async def wait_and_receive(self):
        """The next event, once there is one."""
        while not self.has_news():          # of two that wait, the other one may have taken it
            await self.wait()
        return await self()

    def wait(self):
        """A future that is done when there is an event to receive. Any number of them, at once."""
        return self.wait_among_others()

    cdef bint has_news(self) noexcept:
        # ORDER: as in __call__
        return self.body_bytes > 0 or self.is_end_due() or self.is_over or self.aborted

    cdef bint is_end_due(self) noexcept:
        # The body is complete and given out, and the application was not told so with its last piece.
        return self.complete and not self.is_dropped and not self.is_body_told

    cdef bint is_exchange_over(self) noexcept:
        # The answer is complete, or the connection is gone; not where the peer has but ended its side, which gets its answer.
        return self.connection is None or self.connection.closing or not self.connection.is_answer_due()

    cdef int on_over(self) except -1:
        if not self.is_over:
            self.is_over = True
            self.wake_readers()
        return 0

    cdef bint renew(self) except -1:
        if not RequestCore.renew(self):
            return False
        self.is_body_told = self.is_over = False
        return True


cdef inline object item_of(message, str name, absent):
    # PERF: bench/stages.py --server treadle-asgi. Of whatever mapping an application makes its events of: nearly always a dict.
    return (<dict>message).get(name, absent) if type(message) is dict else message.get(name, absent)


cdef class ASGIResponse(ResponseCore):
    """An answer; calling it sends an event."""

    def __cinit__(self):
        self.vectorcall = <void *>send_by

    def __call__(self, message):
        """Send an event, a mapping. An awaitable."""
        return self.send_event(message)

    cdef object send_event(self, message):
        cdef object found = (<dict>message).get("type") if type(message) is dict else self.type_of(message)
        cdef object value
        cdef str kind
        cdef bytes body
        if type(found) is not str:
            self.refuse(None, "type", "a str", found)
        kind = <str>found
        if self.has_lost_peer():
            self.server.fault("ERR_HTTP_REQUEST_ABORTED", {})
        if self.is_started and not self.writable_ended and not self.is_body_over and not self.is_sending_path \
                and kind == "http.response.body":
            value = item_of(message, "body", b"")
            body = <bytes>value if type(value) is bytes else self.body_of(value)
            if item_of(message, "more_body", False):
                self.send_body(body, False)
                if self.connection is not None and self.connection.is_over_mark:
                    return self.ready()
            else:
                self.send_last(body)
            return DONE
        if not self.is_started and kind == "http.response.start":
            value = item_of(message, "status", None)
            if not isinstance(value, int):
                self.refuse(kind, "status", "an int", value)
            self.status_code = value
            self.raw_fields = self.fields_of(kind, message)
            self.is_started = True
            self.expects_trailers = item_of(message, "trailers", False)
            return DONE
        if kind == "http.response.trailers" and self.is_body_over and not self.writable_ended and not self.is_sending_path:
            self.trailer_fields = (self.trailer_fields or []) + self.fields_of(kind, message)
            if not message.get("more_trailers", False):
                self.trailers = self.server.trailer_lines(self.trailer_fields) or None
                self.send_body(b"", True)
            return DONE
        if kind == "http.response.early_hint" and not self.headers_sent:
            value = message.get("links")
            if isinstance(value, (bytes, str)) or not hasattr(value, "__iter__"):
                self.refuse(kind, "links", "an iterable of bytes", value)
            self._inform(self.server.early_hints(value), False)
            return DONE
        if kind == "http.response.pathsend" and self.is_started and not self.headers_sent:
            value = message.get("path")
            if type(value) is not str:
                self.refuse(kind, "path", "a str", value)
            return (<ASGICore>self.server).send_path(self, value)
        self.server.fault("ERR_ASGI_UNEXPECTED_MESSAGE", {"received": kind, "state": self.asgi_state()})

    def end_body(self, bytes last not None):
        """The last piece of the body: of the answer, too, unless its trailers are still to come."""
        self.send_last(last)

    cdef int send_last(self, bytes last) except -1:
        if self.expects_trailers:
            self.send_body(last, False)
            self.is_body_over = True
            return 0
        return self.send_body(last, True)

    def asgi_state(self):
        """Where the answer stands, in words."""
        return "waiting for its trailers" if self.is_body_over and not self.writable_ended else \
            "complete" if self.writable_ended else "sent from a file" if self.is_sending_path else "started" if self.is_started else "not started"

    cdef HeadWriter begin_head(self):
        cdef object pair, name, value
        cdef HeadWriter writer = ResponseCore.begin_head(self)
        if self.raw_fields is None:         # it is no application's answer
            return writer
        for pair in self.raw_fields:
            if type(pair) is tuple and len(<tuple>pair) == 2:
                name = (<tuple>pair)[0]
                value = (<tuple>pair)[1]
            else:
                name, value = self.pair_of(pair)
            if type(name) is not bytes or type(value) is not bytes:
                self.refuse("http.response.start", "headers", "pairs of bytes", pair)
            self.write_text_field(
                writer, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        return writer

    # ---- what is no message

    cdef int refuse(self, kind, key, expected, value) except -1:
        (<ASGICore>self.server).message_refused(kind, key, expected, value)
        return 0

    cdef object type_of(self, message):
        # Of one that is no dict: any other mapping will do.
        if not hasattr(message, "get"):
            self.refuse(None, None, "a mapping", message)
        return message.get("type")

    cdef bytes body_of(self, value):
        # Of one that is no bytes object: anything with their memory will do.
        if not PyObject_CheckBuffer(value):
            self.refuse("http.response.body", "body", "bytes", value)
        return bytes(memoryview(value))

    cdef list fields_of(self, str kind, message):
        cdef object value = item_of(message, "headers", ())
        if type(value) is list:
            return (<list>value)[:]         # the application may go on with its own
        if isinstance(value, (bytes, str)) or not hasattr(value, "__iter__"):
            self.refuse(kind, "headers", "pairs of bytes", value)
        return list(value)

    cdef tuple pair_of(self, pair):
        # Of one that is no tuple of two.
        if isinstance(pair, (bytes, str)) or not hasattr(pair, "__len__") or len(pair) != 2:
            self.refuse("http.response.start", "headers", "pairs of bytes", pair)
        return tuple(pair)

    cdef bint renew(self) except -1:
        if not ResponseCore.renew(self):
            return False
        self.raw_fields = None
        self.trailer_fields = None
        self.is_started = self.expects_trailers = self.is_body_over = self.is_sending_path = False
        return True


# PERF: bench/stages.py --server treadle-asgi: 300 instructions for each event. Both are the vectorcall of their objects, as of the
# types of CPython that can be called (PEP 590).

cdef PyObject *receive_by(PyObject *request, PyObject **given, size_t count, PyObject *names) except NULL:
    if count_of(count) != 0 or names is not NULL:
        return call_by_slot(request, given, count, names)
    event = (<ASGIRequest>request).receive()
    Py_INCREF(event)
    return <PyObject *>event


cdef PyObject *send_by(PyObject *response, PyObject **given, size_t count, PyObject *names) except NULL:
    if count_of(count) != 1 or names is not NULL:
        return call_by_slot(response, given, count, names)
    sent = (<ASGIResponse>response).send_event(<object>given[0])
    Py_INCREF(sent)
    return <PyObject *>sent


cdef ASGIRequest some_request = ASGIRequest.__new__(ASGIRequest)
cdef ASGIResponse some_response = ASGIResponse.__new__(ASGIResponse)
calls_by(ASGIRequest, <char *>&some_request.vectorcall - <char *><PyObject *>some_request)
calls_by(ASGIResponse, <char *>&some_response.vectorcall - <char *><PyObject *>some_response)
some_request = some_response = None
