"""A server in Node's manner whose edge the environment sets up: TRUSTED, FIELDS, PROXY_PROTOCOL, REQUEST_IDS, LOG, FORMAT, TLS (a
certificate), HEADERS_S, LINGER_S, RESPONSE_S. With BUDGET_S SIGTERM stops it in phases, else at once. /block reads from FIFO."""

import asyncio
import json
import os

from treadle import http, process, tls

log = http.access_log(os.environ["LOG"], os.environ.get("FORMAT", "common")) if "LOG" in os.environ else None


async def handler(req, res):
    before = http.request_id.get()
    path = req.url.partition("?")[0]
    if path == "/raise":
        raise RuntimeError("marker-edge")
    if path == "/own-id":
        res.set_header("x-request-id", "mine")
    if path == "/stream":
        res.write(b"some")
        await asyncio.sleep(0)
        res.end(b"more")
        return
    if path == "/cut":
        res.write(b"some")
        await asyncio.sleep(0)  # what was written leaves in the poll phase
        req.destroy()
        return
    if path == "/block":
        print("blocked", flush=True)
        with open(os.environ["FIFO"], "rb") as fifo:
            fifo.read()
    if path == "/hang":
        await asyncio.sleep(60)
    if path == "/not-modified":
        res.write_head(304).end()
        return
    await asyncio.sleep(0)
    facts = {
        "address": req.remote_address,
        "scheme": req.scheme,
        "id": req.id,
        "variable": http.request_id.get(),
        "before": before,
        "task": await asyncio.create_task(current()),
        "header": req.headers.get("x-request-id"),
        "headers": [value.decode("latin-1") for name, value in req.raw_headers if name.lower() == b"x-request-id"],
    }
    res.end(json.dumps(facts))


async def current():
    return http.request_id.get()


origin = http.Origin(
    os.environ.get("TRUSTED", ""), os.environ.get("FIELDS", "x-forwarded"), bool(os.environ.get("PROXY_PROTOCOL"))
)
server = http.create_server(
    handler,
    timeouts=http.Timeouts(
        headers_s=float(os.environ.get("HEADERS_S", "20")),
        linger_s=float(os.environ.get("LINGER_S", "5")),
        response_s=float(os.environ.get("RESPONSE_S", "60")),
    ),
    tls=tls.ServerOptions(cert=os.environ["TLS"]) if "TLS" in os.environ else None,
    origin=origin,
    request_ids=os.environ.get("REQUEST_IDS", "off"),
    access_log=log,
)
if path := os.environ.get("UNIX"):
    server.listen(path=path)
    print("LISTENING", path, flush=True)
else:
    server.listen(0)
    print("LISTENING", *server.address(), flush=True)


stopping = []


def stop(*_):
    if "BUDGET_S" in os.environ:
        stopping.append(asyncio.ensure_future(server.shutdown(float(os.environ["BUDGET_S"]))))
        return
    server.close()
    server.close_all_connections()


server.on("closing", lambda: print("closing", flush=True))
server.on("close", lambda: print("close", flush=True))


process.on("SIGTERM", stop)
if log is not None:
    process.on("SIGUSR1", lambda *_: log.reopen())
    process.on("exit", lambda *_: log.close())
assert http.request_id.get() is None
