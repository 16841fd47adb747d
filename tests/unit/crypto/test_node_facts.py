"""The calls of calls.json, whose outcome must be what Node left in node_facts.json (record_node_facts.js). Where treadle means to
differ the table below says how, and why."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle import TreadleError, crypto

HERE = Path(__file__).parent
CALLS = json.loads((HERE / "calls.json").read_text())
FACTS = json.loads((HERE / "node_facts.json").read_text())["facts"]

# An error that has no code in Node has one here.
NAMED = {
    "unknown hash": "ERR_CRYPTO_INVALID_DIGEST",
    "unknown one-shot hash": "ERR_CRYPTO_INVALID_DIGEST",
    "hmac of shake": "ERR_CRYPTO_INVALID_DIGEST",
    "pbkdf2 by shake": "ERR_CRYPTO_INVALID_DIGEST",
    "pbkdf2 of no length": "ERR_OUT_OF_RANGE",
    "hkdf of no length": "ERR_OUT_OF_RANGE",
    "gcm with another tag": "ERR_CRYPTO_AUTHENTICATION_FAILED",
    "gcm without a tag": "ERR_CRYPTO_AUTHENTICATION_FAILED",
    "chacha20 with another tag": "ERR_CRYPTO_AUTHENTICATION_FAILED",
    "update behind final": "ERR_CRYPTO_INVALID_STATE",
}
DIFFERENT = {
    "sha256 of another length": "ERR_OUT_OF_RANGE",  # there a code of OpenSSL's
    "one-shot hash in an unknown encoding": "ERR_UNKNOWN_ENCODING",  # as everywhere else
    "second digest of an hmac": "ERR_CRYPTO_HASH_FINALIZED",  # there empty text, which compares as equal with another mistake
    "gcm with a tag of 8 bytes": "ERR_CRYPTO_INVALID_AUTH_TAG",  # there allowed, with a warning that it will not be
    "gcm with a short iv": "ERR_CRYPTO_INVALID_IV",  # the library refuses it
    "chacha20 without a tag": "ERR_CRYPTO_AUTHENTICATION_FAILED",  # there deciphered, although it may be anybody's
    "output in two encodings": "ERR_INVALID_STATE",  # there an assertion of Node's own
}


def snake(name: str) -> str:
    return {"setAAD": "set_aad"}.get(name) or re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def argument(value: Any) -> Any:
    return bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value


def call(function: Any, given: list[Any]) -> Any:
    """An object at the end is keyword arguments."""
    options = {}
    if given and isinstance(given[-1], dict) and "bytes" not in given[-1]:
        *given, last = given
        options = {snake(name): value for name, value in last.items()}
    return function(*map(argument, given), **options)


def step(thing: Any, method: str, *given: Any) -> Any:
    if method == "keep":
        step(thing, *given)
        return thing
    if method == "is":
        return True
    if method == "both":
        return call(thing.update, list(given)) + thing.final(given[2])
    return call(getattr(thing, snake(method)), list(given))


async def outcome(first: str, *given: Any, steps: list[list[Any]]) -> Any:
    try:
        result = call(getattr(crypto, snake(first)), list(given))
        if isinstance(result, asyncio.Future):
            result = await result
        for method, *more in steps:
            result = step(result, method, *more)
    except TreadleError as error:
        return {"error": error.code}
    return {"bytes": result.hex()} if isinstance(result, bytes) else result


def test_there_are_facts_for_every_call() -> None:
    assert list(FACTS) == list(CALLS)
    assert set(NAMED) | set(DIFFERENT) <= set(CALLS)
    assert not any(FACTS[name]["error"].startswith("ERR_") for name in NAMED)
    assert {name for name, fact in FACTS.items() if "error" in repr(fact) and "ERR_" not in repr(fact)} == set(NAMED)


@pytest.mark.parametrize("name", CALLS)
def test_it_is_as_in_node(name: str) -> None:
    first, *steps = CALLS[name]
    expected = {"error": NAMED[name]} if name in NAMED else FACTS[name]
    if name in DIFFERENT:
        assert expected != {"error": DIFFERENT[name]}
        expected = {"error": DIFFERENT[name]}
    assert treadle.run(outcome(*first, steps=steps)) == expected
