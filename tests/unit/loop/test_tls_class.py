"""Which class speaks TLS: the native one on every Python that is tested, and asyncio's where that would not fit."""

import asyncio
import subprocess
import sys
from asyncio import sslproto
from types import FunctionType

import pytest

from treadle._native.tls import TlsProtocol
from treadle.loop import tls


def test_the_native_class_fits_this_asyncio() -> None:
    """Fails on a Python whose asyncio has changed: then read its sslproto.py beside _native/tls.pyx."""
    assert tls.choose(sslproto.SSLProtocol) is TlsProtocol
    assert tls.PROTOCOL is TlsProtocol


def methods_of_asyncio() -> dict[str, object]:
    return {name: value for name, value in vars(sslproto.SSLProtocol).items() if name not in ("__dict__", "__weakref__")}


def test_an_asyncio_without_a_field() -> None:
    methods = methods_of_asyncio()
    for name, value in methods.items():
        code = getattr(value, "__code__", None)
        if code is not None:
            names = tuple(name.replace("_app_reading_paused", "_reading_paused_by_app") for name in code.co_names)
            methods[name] = FunctionType(code.replace(co_names=names), {})
    renamed = type("Renamed", (), methods)
    assert tls.choose(renamed) is renamed


@pytest.mark.parametrize("missing", tls.CALLED)
def test_an_asyncio_without_a_method(missing: str) -> None:
    methods = methods_of_asyncio()
    assert tls.choose(type("Same", (), methods)) is TlsProtocol
    del methods[missing]
    fewer = type("Fewer", (), methods)
    assert tls.choose(fewer) is fewer


def test_start_tls_is_asyncios_own_text() -> None:
    ours, theirs = tls.start_tls, asyncio.BaseEventLoop.start_tls
    assert ours.__code__ is theirs.__code__
    assert (ours.__defaults__, ours.__kwdefaults__, ours.__doc__) == (theirs.__defaults__, theirs.__kwdefaults__, theirs.__doc__)
    assert ours.__globals__["sslproto"].SSLProtocol is TlsProtocol


def test_a_python_without_openssl() -> None:
    program = """
import sys
sys.modules["_ssl"] = sys.modules["ssl"] = None
import asyncio, treadle
from treadle.loop import tls
assert tls.PROTOCOL is asyncio.sslproto.SSLProtocol
loop = treadle.new_event_loop()
loop.run_until_complete(asyncio.sleep(0))
try:
    loop.run_until_complete(loop.start_tls(None, None, None))
except RuntimeError as error:
    print(error)
loop.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Python ssl module is not available\n"
