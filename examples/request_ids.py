"""An id for each request, in every line of the log, without passing it on: AsyncLocalStorage. And a tool that listens to what
happens, without the application knowing: diagnostics_channel.

Run it: treadle run examples/request_ids.py; then: curl -H 'X-Request-Id: mine' http://127.0.0.1:8000/
From the environment: PORT.
"""

import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable

from treadle import AsyncLocalStorage, diagnostics_channel, http, timers

request_id = AsyncLocalStorage(default_value="-", name="request_id")
queries = diagnostics_channel.channel("shop:query")
numbers = itertools.count(1)
logger = logging.getLogger("shop")


class RequestId(logging.Filter):
    """Gives each record the id of the request that it comes of."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get_store()
        return True


async def price_of(item: str) -> int:
    if queries.has_subscribers:
        queries.publish(item)
    await asyncio.sleep(0.01)  # a database
    logger.info("priced %s", item)
    return len(item)


async def handle(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    logger.info("%s %s", req.method, req.url)
    prices = await asyncio.gather(*map(price_of, ("apple", "pear")))
    timers.set_timeout(logger.info, 5, "invoice sent")  # still knows whose it is
    res.set_header("X-Request-Id", request_id.get_store() or "-")
    res.end(f"{sum(prices)}\n")


def handler(req: http.IncomingMessage, res: http.ServerResponse) -> Awaitable[None]:
    name = req.headers.get("x-request-id") or f"r{next(numbers)}"
    return request_id.run(name, handle, req, res)


handlers = logging.StreamHandler()
handlers.addFilter(RequestId())
handlers.setFormatter(logging.Formatter("[%(request_id)s] %(message)s"))
logger.addHandler(handlers)
logger.propagate = False
logger.setLevel(logging.INFO)
diagnostics_channel.subscribe("shop:query", lambda item, _: logger.info("query for %s", item))

server = http.create_server(handler).listen(int(os.environ.get("PORT", "8000")))
print("LISTENING", *(server.address() or ()), flush=True)
