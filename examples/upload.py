"""Uploads that are never in memory: compressed on their way to a file, and sent back as they lie there.

    treadle run examples/upload.py
    curl -T photo.raw localhost:8000/photo.raw                      into uploads/photo.raw.gz
    curl --compressed -o copy.raw localhost:8000/photo.raw          and back

Whatever the sizes and whoever is slow, an exchange holds a few marks of 64 KiB: a disk that cannot follow pauses the socket, a
client that does not read pauses the file. What fails, or a client that leaves, ends every stage, and the file is closed. Whatever
touches the disk goes through fs: the loop waits for none.
"""

import os
import re
from pathlib import Path

from treadle import fs, http, zlib
from treadle.streams import pipeline

FOLDER = Path(os.environ.get("UPLOADS", "uploads"))
NAME = re.compile(r"/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")  # no folders, nothing hidden


async def take(req: http.IncomingMessage, res: http.ServerResponse, target: Path) -> None:
    part = target.with_suffix(f".{id(req):x}.part")  # a name of its own: two may send the same file at once
    try:
        await pipeline(req, zlib.create_gzip(), fs.create_write_stream(part))
        await fs.rename(part, target)
    finally:
        await fs.rm(part, force=True)
    res.end("stored\n")


async def give(res: http.ServerResponse, source: Path) -> None:
    try:
        file = await fs.open(source)
    except FileNotFoundError:
        refuse(res)
        return
    res.set_header("Content-Encoding", "gzip")
    await pipeline(file.create_read_stream(), res)


def refuse(res: http.ServerResponse) -> None:
    res.status_code = 404
    res.end("no such file\n")


async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    name = NAME.fullmatch(req.url)
    file = FOLDER / f"{name[1]}.gz" if name else None
    if file is not None and req.method == "PUT":
        await take(req, res, file)
    elif file is not None and req.method == "GET":
        await give(res, file)
    else:
        refuse(res)


FOLDER.mkdir(exist_ok=True)
server = http.create_server(handler).listen(int(os.environ.get("PORT", "8000")))
print("LISTENING", *(server.address() or ()), flush=True)
