"""A node-style program with one route for each behaviour of the server that a test looks at.

Environment: `LISTEN_PATH` for a Unix socket, `TIMEOUTS` for a JSON object of `Timeouts` fields, `TLS` for one of
`tls.ServerOptions`. `GET /facts` tells what handlers noted in `facts`; it is answered at once and from memory, whatever the
others do.
"""

import asyncio
import hashlib
import json
import os

from treadle import http, tls

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * 256  # 64 KiB

facts = {"offered": 0, "refused_writes": 0, "notes": [], "held": 0}
released = asyncio.Event()


def note(text):
    facts["notes"].append(text)


def send_json(res, value):
    res.set_header("content-type", "application/json")
    res.end(json.dumps(value))


# small answers


def hello(req, res):
    res.end("Hello, World!")


async def hello_async(req, res):
    res.end("Hello, World!")


async def hello_later(req, res):
    await asyncio.sleep(0)
    res.end("Hello, World!")


def hello_head(req, res):
    res.write_head(200, {"Content-Type": "text/plain", "Content-Length": 13})
    res.end("Hello, World!")


async def delay(req, res):
    delay_ms = int(req.url.rpartition("/")[2])
    note(f"begin {req.url}")
    await asyncio.sleep(delay_ms / 1000)
    note(f"end {req.url}")
    res.end(req.url)


def request_facts(req, res):
    send_json(
        res,
        {
            "method": req.method,
            "url": req.url,
            "http_version": req.http_version,
            "headers": req.headers,
            "raw_headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in req.raw_headers],
            "complete": req.complete,
        },
    )


def server_facts(req, res):
    send_json(res, {**facts, "connections": server.connections})


def clear_facts(req, res):
    facts.update(offered=0, refused_writes=0, held=0)
    facts["notes"].clear()
    released.clear()
    res.end()


# request bodies


async def echo(req, res):
    body = await req.read()
    if "content-type" in req.headers:
        res.set_header("content-type", req.headers["content-type"])
    res.end(body)


async def iterate(req, res):
    digest, sizes = hashlib.sha256(), []
    async for chunk in req:
        assert type(chunk) is bytes
        digest.update(chunk)
        sizes.append(len(chunk))
    send_json(
        res,
        {"bytes": sum(sizes), "chunks": len(sizes), "empty": sizes.count(0), "sha256": digest.hexdigest()}
        | {"complete": req.complete, "trailers": dict(req.trailers)},
    )


async def echo_stream(req, res):
    async for chunk in req:
        if not res.write(chunk):
            await res.ready()
    res.end()


async def read_late(req, res):
    await asyncio.sleep(0.05)
    res.end(await req.read())


async def read_some(req, res):
    async for chunk in req:
        res.end(f"{len(chunk) > 0}")
        return


async def read_after_end(req, res):
    res.end("answered")
    try:
        note(f"read {len(await req.read())} bytes")
    except Exception as error:
        note(f"read: {getattr(error, 'code', repr(error))}")


def ignore_body(req, res):
    res.end("ignored")


async def ignore_body_later(req, res):
    await asyncio.sleep(0.02)
    res.end("ignored")


async def hold(req, res):
    """Reads nothing until released, then everything."""
    facts["held"] += 1
    await released.wait()
    await iterate(req, res)


def release(req, res):
    released.set()
    res.end()


async def watch_abort(req, res):
    facts["held"] += 1
    try:
        await req.read()
    except Exception as error:
        note(f"read: {getattr(error, 'code', repr(error))} aborted={req.aborted} complete={req.complete}")
        raise
    res.end("whole")


async def watch_abort_iterating(req, res):
    facts["held"] += 1
    received = 0
    try:
        async for chunk in req:
            received += len(chunk)
    except Exception as error:
        note(f"iterate after {received}: {getattr(error, 'code', repr(error))}")
        raise
    res.end("whole")


# response bodies


async def chunked(req, res):
    for index in range(int(req.url.rpartition("/")[2])):
        res.write(f"piece {index};")
        await asyncio.sleep(0)
    res.end()


def chunked_at_once(req, res):
    res.write("one;")
    res.write(b"two;")
    res.write("")
    res.write(b"")
    res.end("three")


def sized(req, res):
    res.set_header("Content-Length", 10)
    res.write("01234")
    res.end("56789")


async def flushed(req, res):
    res.set_header("x-flushed", "yes")
    res.flush_headers()
    await released.wait()
    res.end("later")


async def big(req, res):
    """The rest of the path in MiB, offered block by block, a pause wherever the stream asks for one."""
    size = int(req.url.rpartition("/")[2]) * MIB
    res.set_header("content-length", size)
    for _ in range(size // len(BLOCK)):
        taken = res.write(BLOCK)
        facts["offered"] += len(BLOCK)
        if not taken:
            facts["refused_writes"] += 1
            await res.ready()
    res.end()


async def big_chunked(req, res):
    size = int(req.url.rpartition("/")[2]) * MIB
    for _ in range(size // len(BLOCK)):
        facts["offered"] += len(BLOCK)
        if not res.write(BLOCK):
            facts["refused_writes"] += 1
            await res.ready()
    res.end()


def big_at_once(req, res):
    res.end(BLOCK * (int(req.url.rpartition("/")[2]) * 16))


async def big_watched(req, res):
    """Notes what the handler learns when its client goes away."""
    try:
        while True:
            if not res.write(BLOCK):
                await asyncio.wait_for(res.ready(), 10)
            await asyncio.sleep(0)
            if facts["offered"] > 256 * MIB:
                return note("never told")
            facts["offered"] += len(BLOCK)
    except BaseException as error:
        note(f"told by {type(error).__name__} {getattr(error, 'code', '')}")
        raise


def status(req, res):
    code, _, body = req.url.rpartition("/")[2].partition("?")
    res.status_code = int(code)
    res.end(body or None)


def status_written(req, res):
    res.write_head(int(req.url.rpartition("/")[2]))
    res.write("a body that must not go out")
    res.end(" at all")


def reason(req, res):
    res.status_code = 299
    res.status_message = "Rather Fine"
    res.end()


def head_pairs(req, res):
    res.write_head(200, [("X-One", "1"), ("X-Two", "2"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    res.end("ok")


def header_methods(req, res):
    res.set_header("X-Kept", "yes")
    res.set_header("X-Number", 7)
    res.set_header("Set-Cookie", ["a=1", "b=2"])
    res.set_header("X-Gone", "no")
    res.remove_header("x-gone")
    res.set_header("x-kept", "again")
    known = [res.has_header("X-KEPT"), res.has_header("x-gone"), res.get_header("x-kept"), res.get_header("x-gone")]
    send_json(res, {"known": known, "names": sorted(res.get_headers()), "sent": res.headers_sent})


def close(req, res):
    res.set_header("Connection", "close")
    res.end("bye")


def no_date(req, res):
    res.send_date = False
    res.end()


def own_date(req, res):
    res.set_header("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
    res.end()


# faults


def fail_before(req, res):
    raise RuntimeError("marker-before")


async def fail_before_async(req, res):
    await asyncio.sleep(0)
    raise RuntimeError("marker-before-async")


async def fail_at_once_async(req, res):
    raise RuntimeError("marker-at-once-async")


def fail_with_headers_set(req, res):
    res.status_code = 201
    res.set_header("Content-Length", 1000)
    res.set_header("X-Secret", "secret")
    raise RuntimeError("marker-headers-set")


def fail_after(req, res):
    res.write("begun")
    raise RuntimeError("marker-after")


async def fail_after_async(req, res):
    res.write("begun")
    await asyncio.sleep(0.01)
    raise RuntimeError("marker-after-async")


async def fail_after_sized(req, res):
    res.set_header("Content-Length", 100)
    res.write("begun")
    await asyncio.sleep(0.01)
    raise RuntimeError("marker-after-sized")


def fail_after_end(req, res):
    res.end("whole")
    raise RuntimeError("marker-after-end")


async def fail_cancelled(req, res):
    raise asyncio.CancelledError


def too_short(req, res):
    res.set_header("Content-Length", 10)
    res.write("01234")
    res.end()


def too_long(req, res):
    res.set_header("Content-Length", 5)
    res.write("01234")
    res.write("GARBAGE")
    res.end()


def too_long_end(req, res):
    res.set_header("Content-Length", 5)
    res.write("012")
    res.end("34GARBAGE")


def mismatch_at_once(req, res):
    res.set_header("Content-Length", 5)
    res.end("01234GARBAGE")


def _attempts(res, attempts):
    """Run each; answer with the code that each raised."""
    codes = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            codes[name] = None
        except Exception as error:
            codes[name] = getattr(error, "code", repr(error))
    return codes


def injections(req, res):
    values = {
        "crlf": "a\r\nX-Injected: yes",
        "lf": "a\nX-Injected: yes",
        "cr": "a\rb",
        "nul": "a\0b",
        "control": "a\x01b",
        "del": "a\x7fb",
        "wide": "a\u010ab",  # its low byte is LF
        "snowman": "\u2603",
    }
    names = {"crlf": "X\r\nY", "space": "X Y", "colon": "X:", "empty": "", "wide": "X\u010a", "high": "\xe9"}
    codes = _attempts(
        res,
        {f"value {key}": lambda value=value: res.set_header("X-Test", value) for key, value in values.items()}
        | {f"name {key}": lambda name=name: res.set_header(name, "a") for key, name in names.items()}
        | {"list": lambda: res.set_header("X-Test", ["fine", "a\r\nX-Injected: yes"])}
        | {"write_head value": lambda: res.write_head(200, {"X-Test": "a\r\nX-Injected: yes"})}
        | {"write_head pair": lambda: res.write_head(200, [("X-Test", "a\nX-Injected: yes")])}
        | {"write_head name": lambda: res.write_head(200, {"X\r\nInjected": "a"})},
    )
    assert not res.headers_sent
    send_json(res, codes)


def inject_reason(req, res):
    res.status_message = "OK\r\nX-Injected: yes"
    codes = _attempts(res, {"reason": lambda: res.end("never")})
    res.status_message = "OK"
    send_json(res, codes)


def misuse(req, res):
    flags = [res.headers_sent, res.writable_ended]
    res.write("begun")
    flags += [res.headers_sent, res.writable_ended]
    codes = _attempts(
        res,
        {
            "set_header": lambda: res.set_header("X-Late", "1"),
            "remove_header": lambda: res.remove_header("X-Late"),
            "write_head": lambda: res.write_head(200),
        },
    )
    res.end()
    flags += [res.headers_sent, res.writable_ended]
    codes |= _attempts(res, {"write": lambda: res.write("late"), "end": lambda: res.end("late")})
    codes |= _attempts(res, {"empty end": lambda: res.end()})
    note(json.dumps({"codes": codes, "flags": flags}))


ROUTES = {
    "": hello,
    "async": hello_async,
    "later": hello_later,
    "head": hello_head,
    "delay": delay,
    "request": request_facts,
    "facts": server_facts,
    "clear": clear_facts,
    "echo": echo,
    "iterate": iterate,
    "echo-stream": echo_stream,
    "read-late": read_late,
    "read-some": read_some,
    "read-after-end": read_after_end,
    "ignore-body": ignore_body,
    "ignore-body-later": ignore_body_later,
    "hold": hold,
    "release": release,
    "watch-abort": watch_abort,
    "watch-abort-iterating": watch_abort_iterating,
    "chunked": chunked,
    "chunked-at-once": chunked_at_once,
    "sized": sized,
    "flushed": flushed,
    "big": big,
    "big-chunked": big_chunked,
    "big-at-once": big_at_once,
    "big-watched": big_watched,
    "status": status,
    "status-written": status_written,
    "reason": reason,
    "head-pairs": head_pairs,
    "header-methods": header_methods,
    "close": close,
    "no-date": no_date,
    "own-date": own_date,
    "fail-before": fail_before,
    "fail-before-async": fail_before_async,
    "fail-at-once-async": fail_at_once_async,
    "fail-with-headers-set": fail_with_headers_set,
    "fail-after": fail_after,
    "fail-after-async": fail_after_async,
    "fail-after-sized": fail_after_sized,
    "fail-after-end": fail_after_end,
    "fail-cancelled": fail_cancelled,
    "too-short": too_short,
    "too-long": too_long,
    "too-long-end": too_long_end,
    "mismatch-at-once": mismatch_at_once,
    "injections": injections,
    "inject-reason": inject_reason,
    "misuse": misuse,
}


def handler(req, res):
    return ROUTES[req.url.partition("?")[0].split("/")[1]](req, res)


options = {}
if "TIMEOUTS" in os.environ:
    options["timeouts"] = http.Timeouts(**json.loads(os.environ["TIMEOUTS"]))
if "TLS" in os.environ:
    options["tls"] = tls.ServerOptions(**json.loads(os.environ["TLS"]))
server = http.create_server(handler, **options)
if "LISTEN_PATH" in os.environ:
    server.listen(path=os.environ["LISTEN_PATH"])
    print("LISTENING", os.environ["LISTEN_PATH"], flush=True)
else:
    server.listen(0)
    print("LISTENING", *server.address(), flush=True)
