"""Certificates that change while a server runs."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import ssl
from pathlib import Path

import pytest

from tests.unit.tls.support import run, until
from treadle import tls


@pytest.fixture
def files(tmp_path: Path, certificate: Path) -> tls.ServerOptions:
    """A certificate of its own to be changed."""
    return tls.ServerOptions(cert=shutil.copy(certificate, tmp_path / "server.pem"))


def replace(options: tls.ServerOptions, new: Path) -> None:
    """As tools for certificates do: a new file takes the name."""
    beside = Path(options.cert).with_suffix(".new")
    shutil.copy(new, beside)
    os.replace(beside, options.cert)


def test_a_changed_file_is_loaded_once(files: tls.ServerOptions, other_certificate: Path) -> None:
    async def main() -> None:
        loaded: list[ssl.SSLContext] = []
        reloader = tls.Reloader(files, loaded.append)
        reloader.load()
        assert not await reloader.reload(only_if_changed=True)
        replace(files, other_certificate)
        assert await reloader.reload(only_if_changed=True)
        assert not await reloader.reload(only_if_changed=True)
        assert len(loaded) == 1
        assert await reloader.reload()  # who asks for it gets it
        assert len(loaded) == 2

    run(main)


def test_a_bad_file_changes_nothing_and_is_told_once(
    files: tls.ServerOptions, other_certificate: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        loaded: list[ssl.SSLContext] = []
        reloader = tls.Reloader(files, loaded.append)
        reloader.load()
        garbage = tmp_path / "garbage"
        garbage.write_text("half a file")
        with caplog.at_level(logging.INFO, "treadle.tls"):
            replace(files, garbage)
            for _ in range(3):
                assert not await reloader.reload(only_if_changed=True)
            os.unlink(files.cert)
            for _ in range(3):
                assert not await reloader.reload(only_if_changed=True)
            assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
            assert "server.pem" in caplog.text
            replace(files, other_certificate)
            assert await reloader.reload(only_if_changed=True)
        assert len(loaded) == 1

    run(main)


def test_watching_looks_now_and_then_until_cancelled(files: tls.ServerOptions, other_certificate: Path) -> None:
    async def main() -> None:
        loaded: list[ssl.SSLContext] = []
        reloader = tls.Reloader(files, loaded.append, interval_s=0.01)
        reloader.load()
        task = asyncio.ensure_future(reloader.watch())
        replace(files, other_certificate)
        await until(lambda: loaded, "the new one")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(loaded) == 1

    run(main)
