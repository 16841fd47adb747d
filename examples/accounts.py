"""Passwords as they should be stored: each takes 64 MiB and some 150 ms to check, on a thread, and other requests go on.

    treadle run examples/accounts.py
    curl -d '{"name": "ada", "password": "correct horse"}' localhost:8000/sign-up
    curl -d '{"name": "ada", "password": "correct horse"}' localhost:8000/log-in

Whoever asks for a name that is not there waits as long as for one that is: the time tells nothing. It needs the extra "crypto".
"""

import json
import os

from treadle import crypto, http

BODY_BYTES_MAX = 4096
ACCOUNTS_MAX = 1000  # in memory, as long as the program runs
NOBODY = "$argon2id$v=19$m=65536,t=3,p=1$DolaSVkzkg6x4ZsKok3xFA$ypsrHkr/leN/N8Ciuk7yQkBym8s6MP3BmhckKxsp8LU"

accounts: dict[str, str] = {}


async def sign_up(name: str, password: str) -> tuple[int, str]:
    if name in accounts or len(accounts) >= ACCOUNTS_MAX:
        return 409, "this name is taken\n"
    accounts[name] = ""  # nobody else takes it meanwhile, and no password fits yet
    try:
        accounts[name] = await crypto.hash_password(password)
    finally:
        if not accounts[name]:
            del accounts[name]
    return 201, "welcome\n"


async def log_in(name: str, password: str) -> tuple[int, str]:
    encoded = accounts.get(name) or NOBODY
    is_right = await crypto.verify_password(encoded, password)
    return (200, f"token {crypto.random_uuid()}\n") if is_right and encoded != NOBODY else (403, "no\n")


async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    route = {"/sign-up": sign_up, "/log-in": log_in}.get(req.url)
    if route is None or req.method != "POST":
        res.status_code = 404
        res.end()
        return
    try:
        asked = json.loads(await req.read(BODY_BYTES_MAX))
        name, password = str(asked["name"]), str(asked["password"])
    except (ValueError, KeyError, TypeError):
        res.status_code = 400
        res.end("a name and a password, as JSON\n")
        return
    res.status_code, text = await route(name, password)
    res.end(text)


server = http.create_server(handler).listen(int(os.environ.get("PORT", "8000")))
print("LISTENING", *(server.address() or ()), flush=True)
