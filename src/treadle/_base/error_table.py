"""The one table of error codes. Invariant: a code is permanent; its text may be improved, its meaning never changes.
Not here: the exception classes (errors.py); docs/reference/errors.md is generated from this table by
tools/gen_errors_reference.py.

`message` is a `str.format` template over the error's data fields: whoever raises a code passes every field it names.
`hint` is the next step for the reader. `source` says whose code it is. `base` is the built-in exception that such an
error is as well, so that ordinary `except` clauses work.
"""

from typing import Final, NamedTuple

__all__ = ["ERROR_TABLE", "NODE", "TREADLE", "ErrorSpec"]

NODE: Final = "node"  # Node has this code, with this meaning
TREADLE: Final = "treadle"  # a situation that Node does not have or does not name


class ErrorSpec(NamedTuple):
    message: str
    hint: str
    source: str
    base: type[Exception] = Exception


ERROR_TABLE: Final[dict[str, ErrorSpec]] = {
    "ABORT_ERR": ErrorSpec(
        "The operation was aborted",
        "Whoever holds the AbortController asked for it; data['reason'] is what they gave as reason",
        NODE,
    ),
    "ERR_ASGI_INVALID_MESSAGE": ErrorSpec(
        "The application sent {message} whose {key!r} must be {expected}, not {received}",
        "Send what the ASGI specification names: names and values of fields are bytes, and so is the body; a status is an int",
        TREADLE,
        TypeError,
    ),
    "ERR_ASGI_UNEXPECTED_MESSAGE": ErrorSpec(
        "The application sent {received!r} while its answer is {state}",
        "Send one http.response.start, then http.response.body until more_body is false",
        TREADLE,
        RuntimeError,
    ),
    "ERR_BODY_TOO_LARGE": ErrorSpec(
        "The message body is longer than the {limit} bytes allowed",
        "Read it as a stream, or raise the limit on purpose",
        TREADLE,
    ),
    "ERR_BROTLI_INVALID_PARAM": ErrorSpec(
        "{parameter!r} is no parameter of brotli's that takes {received!r}",
        "Take a constants.BROTLI_PARAM_..., with a value that its section of the reference allows",
        NODE,
        ValueError,
    ),
    "ERR_BUFFER_TOO_LARGE": ErrorSpec(
        "The output is longer than the {limit} bytes allowed",
        "Read it as a stream, or raise max_output_length if the source is trusted",
        NODE,
    ),
    "ERR_CHILD_PROCESS_FAILED": ErrorSpec(
        "The command has ended with {outcome}: {command}",
        "data has what it wrote: stdout and stderr",
        TREADLE,
    ),
    "ERR_CHILD_PROCESS_STDIO_MAXBUFFER": ErrorSpec(
        "The command wrote more to {stream} than max_buffer: {command}",
        "Raise max_buffer, or read the stream of spawn() as it comes",
        NODE,
    ),
    "ERR_CRYPTO_AUTHENTICATION_FAILED": ErrorSpec(
        "The message is not the one that was enciphered: its tag does not fit",
        "Throw away what was deciphered; look at key, iv, additional data and tag, which set_auth_tag() takes before final()",
        TREADLE,
    ),
    "ERR_CRYPTO_HASH_FINALIZED": ErrorSpec(
        "digest() was called already",
        "Call digest() once and keep what it returns, or copy() before it",
        NODE,
    ),
    "ERR_CRYPTO_INVALID_AUTH_TAG": ErrorSpec(
        "An authentication tag cannot have {length} bytes here, but {expected}",
        "Give both sides the same auth_tag_length; 16 unless there is a reason",
        NODE,
        TypeError,
    ),
    "ERR_CRYPTO_INVALID_DIGEST": ErrorSpec(
        "Invalid digest: {digest}",
        "See crypto.get_hashes() for those that are here",
        NODE,
        ValueError,
    ),
    "ERR_CRYPTO_INVALID_IV": ErrorSpec(
        "An initialization vector cannot have {length} bytes here, but {expected}",
        "Make one for each message, random_bytes(12) for GCM and ChaCha20-Poly1305, random_bytes(16) for CBC and CTR",
        NODE,
        ValueError,
    ),
    "ERR_CRYPTO_INVALID_KEYLEN": ErrorSpec(
        "A key cannot have {length} bytes here, but {expected}",
        "Make keys by random_bytes(), or of a password by scrypt(), with the length that the algorithm has in its name, in bits",
        NODE,
        ValueError,
    ),
    "ERR_CRYPTO_INVALID_SCRYPT_PARAMS": ErrorSpec(
        "Invalid scrypt parameters: {problem}",
        "Give maxmem where more memory is meant; it takes 128 * cost * block_size bytes",
        NODE,
        ValueError,
    ),
    "ERR_CRYPTO_INVALID_STATE": ErrorSpec(
        "Cannot call {operation}() now, or not of this cipher",
        "set_auto_padding() and set_aad() come before update(), set_auth_tag() before final(), get_auth_tag() behind it",
        NODE,
        RuntimeError,
    ),
    "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH": ErrorSpec(
        "Both must have the same length, not {lengths}",
        "Compare digests of both, which have the same length",
        NODE,
        ValueError,
    ),
    "ERR_CRYPTO_UNKNOWN_CIPHER": ErrorSpec(
        "Unknown cipher: {cipher}",
        "See crypto.get_ciphers() for those that are here",
        NODE,
        ValueError,
    ),
    "ERR_DNS_SATURATED": ErrorSpec(
        "The resolver has {limit} questions under way and takes no more",
        "Ask fewer at once, or look whether its servers answer at all",
        TREADLE,
    ),
    "ERR_DNS_SET_SERVERS_FAILED": ErrorSpec(
        "The servers cannot be changed while {questions} questions are under way",
        "Await them, or cancel() them, first; or make another Resolver",
        NODE,
    ),
    "ERR_EXTRA_NOT_INSTALLED": ErrorSpec(
        "This needs the library {library}, which is {state}",
        "Install the extra of treadle that brings it",
        TREADLE,
        ImportError,
    ),
    "ERR_FS_WATCH_QUEUE_OVERFLOW": ErrorSpec(
        "Changes of {path!r} are lost: more than {limit} have waited",
        "Look through it afresh and watch again; max_queue, or the kernel's fs.inotify.max_queued_events, lets more wait",
        NODE,
    ),
    "ERR_HTTP_BODY_CONSUMED": ErrorSpec(
        "The message body was already read",
        "Read a body once, either whole by read() or in parts by async for, and keep what you need",
        TREADLE,
    ),
    "ERR_HTTP_BODY_DROPPED": ErrorSpec(
        "The message body was thrown away because the answer was complete before it was read",
        "Read the body before end(), or do not read it at all",
        TREADLE,
    ),
    "ERR_HTTP_CLIENT_ERROR": ErrorSpec(
        "A client has sent what is refused: {text}",
        "Answer on its socket by data['status'], and end it; data['reason'] is the name of the refusal",
        TREADLE,
    ),
    "ERR_HTTP_CONTENT_LENGTH_MISMATCH": ErrorSpec(
        "The body has {sent} bytes, but its Content-Length header says {declared}",
        "Let end() set Content-Length, or count bytes, not characters",
        NODE,
    ),
    "ERR_HTTP_FILE_TRUNCATED": ErrorSpec(
        "The file ended after {sent} of the {expected} bytes that the answer was to have of it",
        "Replace files by renaming new ones over them; one that is shortened while it is sent cannot be sent whole",
        TREADLE,
    ),
    "ERR_HTTP_HEADERS_SENT": ErrorSpec(
        "Cannot {operation} after the headers were sent",
        "Set status and headers before the first write(), and look for a second answer to the same request",
        NODE,
    ),
    "ERR_HTTP_INVALID_HEADER_VALUE": ErrorSpec(
        "The value {received!r} of header {field} cannot frame the answer",
        "Give one Content-Length at most, or Transfer-Encoding: chunked; without either the server frames the answer itself",
        NODE,
        TypeError,
    ),
    "ERR_HTTP_INVALID_STATUS_CODE": ErrorSpec(
        "The status code {received!r} is not an integer from 200 to 999",
        "See RFC 9110 section 15 for the codes",
        NODE,
        ValueError,
    ),
    "ERR_HTTP_REQUEST_ABORTED": ErrorSpec(
        "The peer closed the connection before the message was complete",
        "Stop working for this request; nobody waits for the answer",
        TREADLE,
        ConnectionError,
    ),
    "ERR_HTTP_RESPONSE_TIMEOUT": ErrorSpec(
        "The answer was not complete in time",
        "Stop working for this request; or allow it more by Timeouts.response_s, a Route or res.set_timeout()",
        TREADLE,
        TimeoutError,
    ),
    "ERR_HTTP_SERVER_CLOSING": ErrorSpec(
        "The server stops, and waits no longer for the answer",
        "Save what is to be kept, and return",
        TREADLE,
        ConnectionError,
    ),
    "ERR_HTTP_TRAILER_FIELD": ErrorSpec(
        "The field {field} cannot be a trailer",
        "What frames, routes or describes a message is known before its body: set it in the head (RFC 9110 section 6.5.1)",
        TREADLE,
        ValueError,
    ),
    "ERR_HTTP_TRAILER_INVALID": ErrorSpec(
        "Trailers are announced, but an answer with Content-Length has none",
        "Set no Content-Length, so that the answer is chunked; or no Trailer",
        NODE,
    ),
    "ERR_ILLEGAL_CONSTRUCTOR": ErrorSpec(
        "{name} cannot be made directly",
        "Take the one that something else makes: an AbortSignal is the signal of an AbortController",
        NODE,
        TypeError,
    ),
    "ERR_INVALID_ARG_TYPE": ErrorSpec(
        'The "{name}" argument must be {expected}, not {received}',
        "See the signature of the function",
        NODE,
        TypeError,
    ),
    "ERR_INVALID_ARG_VALUE": ErrorSpec(
        'The "{name}" argument must be {expected}, not {received!r}',
        "See the documentation of the function for the values allowed",
        NODE,
        ValueError,
    ),
    "ERR_INVALID_CHAR": ErrorSpec(
        'The {name} "{field}" holds a character that HTTP does not allow',
        "Strip control characters such as CR and LF, and encode text outside latin-1",
        NODE,
        ValueError,
    ),
    "ERR_INVALID_HTTP_TOKEN": ErrorSpec(
        "The {name} {received!r} is not an HTTP token",
        "Use letters, digits and !#$%&'*+-.^_`|~ only (RFC 9110 section 5.6.2)",
        NODE,
        ValueError,
    ),
    "ERR_INVALID_IP_ADDRESS": ErrorSpec(
        "Invalid IP address: {address}",
        "Give an address and no name; a port behind IPv6 needs brackets: [::1]:53",
        NODE,
        TypeError,
    ),
    "ERR_INVALID_RETURN_VALUE": ErrorSpec(
        'The function "{name}" must return {expected}, not {received}',
        "Give a generator function, sync or async, or for the last stage an async function",
        NODE,
        TypeError,
    ),
    "ERR_INVALID_STATE": ErrorSpec(
        "Invalid state: {state}",
        "Look for a second use of what is used once",
        NODE,
        RuntimeError,
    ),
    "ERR_LOOP_RUNNING": ErrorSpec(
        "An event loop is running in this thread already",
        "Await the coroutine, or start it as a task, instead of running a second loop",
        TREADLE,
        RuntimeError,
    ),
    "ERR_METHOD_NOT_IMPLEMENTED": ErrorSpec(
        "The {method} method is not implemented",
        "Give the hook as an option of the constructor, or define the method in the subclass",
        NODE,
        NotImplementedError,
    ),
    "ERR_MISSING_ARGS": ErrorSpec(
        "{name}: {expected}",
        "See the signature of the function",
        NODE,
        TypeError,
    ),
    "ERR_MULTIPLE_CALLBACK": ErrorSpec(
        "A hook called its callback more than once",
        "Call it once for each call of the hook: after an error, return",
        NODE,
    ),
    "ERR_NO_LOOP": ErrorSpec(
        "No treadle event loop is running in thread {thread}",
        'Call this inside treadle.run(main), or start the file by "treadle run file.py"',
        TREADLE,
        RuntimeError,
    ),
    "ERR_OSSL_BAD_DECRYPT": ErrorSpec(
        "The last block is not what enciphering leaves",
        "Look at key and iv; set_auto_padding(False) if the other side does not fill up the last block",
        NODE,
    ),
    "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH": ErrorSpec(
        "The message is no multiple of 16 bytes",
        "Look whether all of it has come; what is enciphered without padding has to be such a multiple",
        NODE,
    ),
    "ERR_OUT_OF_RANGE": ErrorSpec(
        'The "{name}" argument must be {expected}, not {received!r}',
        "Check how the value was computed",
        NODE,
        ValueError,
    ),
    "ERR_POOL_FORKED": ErrorSpec(
        "A job ({kind}) that runs alone in its process was under way when this process was forked off; here it never ends",
        "Fork before there are such jobs; or start the child as a program of its own: child_process, multiprocessing's spawn",
        TREADLE,
        RuntimeError,
    ),
    "ERR_POOL_SATURATED": ErrorSpec(
        "The native thread pool has {limit} jobs of this group waiting and takes no more",
        "Start fewer jobs at once, or raise TREADLE_THREADPOOL_SIZE if the disks and cores can serve more",
        TREADLE,
    ),
    "ERR_SERVER_ALREADY_LISTEN": ErrorSpec(
        "The server is listening already",
        "Call close() first, or make a second server",
        NODE,
    ),
    "ERR_SERVER_NOT_RUNNING": ErrorSpec(
        "The server is not running",
        "Call listen() first, and close() once",
        NODE,
    ),
    "ERR_SOCKET_CLOSED": ErrorSpec(
        "The socket is closed",
        "Look at socket.errored for the reason, and connect a new socket",
        NODE,
        ConnectionError,
    ),
    "ERR_SOCKET_CLOSED_BEFORE_CONNECTION": ErrorSpec(
        "The socket was closed before it was connected",
        "Look for who destroyed it, or allow it more time to connect",
        NODE,
        ConnectionError,
    ),
    "ERR_SOCKET_CONNECTED": ErrorSpec(
        "The socket is connected, connecting, or destroyed",
        "Make a new socket for each connection",
        TREADLE,
        RuntimeError,
    ),
    "ERR_STREAM_ALREADY_FINISHED": ErrorSpec(
        "Cannot call {operation}() after a stream was finished",
        "Call end() once, and look for a second owner of the stream",
        NODE,
    ),
    "ERR_STREAM_CANNOT_PIPE": ErrorSpec(
        "Cannot pipe, not readable",
        "Pipe from a Readable, a Duplex or a Transform",
        NODE,
    ),
    "ERR_STREAM_DESTROYED": ErrorSpec(
        "Cannot call {operation} after a stream was destroyed",
        "Look at stream.destroyed, and at stream.errored for the reason",
        NODE,
    ),
    "ERR_STREAM_NULL_VALUES": ErrorSpec(
        "None is not a chunk",
        "Call end() to end a writable; push(None) ends a readable",
        NODE,
        TypeError,
    ),
    "ERR_STREAM_PREMATURE_CLOSE": ErrorSpec(
        "The stream was closed before it was through",
        "Look for who destroyed it, or for a peer that went away",
        NODE,
    ),
    "ERR_STREAM_PUSH_AFTER_EOF": ErrorSpec(
        "Cannot push() after the end was pushed",
        "push(None) is the last push of a stream",
        NODE,
    ),
    "ERR_STREAM_UNABLE_TO_PIPE": ErrorSpec(
        "Cannot pipe to a closed or destroyed stream",
        "Make the stages of a pipeline anew for each pipeline",
        NODE,
    ),
    "ERR_STREAM_UNSHIFT_AFTER_END_EVENT": ErrorSpec(
        "Cannot unshift() after 'end' was emitted",
        "Put back what was read too much before the next read()",
        NODE,
    ),
    "ERR_STREAM_WRITE_AFTER_END": ErrorSpec(
        "Cannot write after end()",
        "Write before end(), and look for a callback that goes on after the answer is complete",
        NODE,
    ),
    "ERR_TIMED_OUT": ErrorSpec(
        "{operation} was not complete after {delay_ms} ms",
        "Allow it more time, or find out what it waits for",
        TREADLE,
        TimeoutError,
    ),
    "ERR_TLS_HANDSHAKE_TIMEOUT": ErrorSpec(
        "Hands were not shaken within {timeout_ms} ms",
        "Look whether the peer speaks TLS on this port at all; handshake_timeout allows more time",
        NODE,
        TimeoutError,
    ),
    "ERR_UNHANDLED_ERROR": ErrorSpec(
        "An 'error' event had no listener: {context!r}",
        "Listen with emitter.on('error', ...), and emit an exception rather than another value",
        NODE,
    ),
    "ERR_UNKNOWN_ENCODING": ErrorSpec(
        "Unknown encoding: {encoding}",
        "Use utf8, utf16le, latin1, ascii, base64, base64url or hex",
        NODE,
        TypeError,
    ),
    "ERR_UNKNOWN_SIGNAL": ErrorSpec(
        "Unknown signal: {signal}",
        "Name it as the signal module does, in capitals: SIGTERM",
        NODE,
        TypeError,
    ),
    "ERR_ZSTD_INVALID_PARAM": ErrorSpec(
        "{parameter!r} is no parameter of zstd's that takes {received!r}",
        "Take a constants.ZSTD_c_... to compress, a constants.ZSTD_d_... to decompress",
        NODE,
        ValueError,
    ),
    "Z_BUF_ERROR": ErrorSpec(
        "The compressed data is incomplete: {reason}",
        "Look for who cut it off; finish_flush=constants.Z_SYNC_FLUSH lets it pass",
        NODE,
    ),
    "Z_DATA_ERROR": ErrorSpec(
        "The compressed data is of another format, or damaged: {reason}",
        "Look at its first bytes, and at what the sender says that it is",
        NODE,
    ),
    "Z_NEED_DICT": ErrorSpec(
        "The data was compressed with a dictionary: {reason}",
        "Give the same one as the option dictionary",
        NODE,
    ),
    "Z_STREAM_ERROR": ErrorSpec(
        "The stream takes no more: {reason}",
        "Write before the last flush; begin anew by reset()",
        NODE,
    ),
}
