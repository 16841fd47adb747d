"""Certificates that clients refuse for their age: told where they are loaded."""

from __future__ import annotations

import datetime
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from treadle import tls
from treadle.tls._validity import _time, complaint

TODAY = datetime.datetime.now(datetime.UTC)


def made(folder: Path, since: datetime.datetime, until: datetime.datetime) -> Path:
    """A certificate that is good between these. Skips where the program openssl is not there."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the certificate is made by the program openssl, which is not there")
    both, key, request, database = (folder / name for name in ("both.pem", "key", "request", "database"))
    database.touch()
    (folder / "serial").write_text("01")
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}\nserial={folder / 'serial'}\nnew_certs_dir={folder}\ndefault_md=sha256\n"
        "policy=p\n[p]\ncommonName=supplied\n"
    )
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    dates = [f"{moment:%Y%m%d%H%M%SZ}" for moment in (since, until)]
    for command in (
        ["req", "-new", *curve, "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(request)],
        [
            *(
                "ca",
                "-batch",
                "-selfsign",
                "-config",
                str(folder / "ca.cnf"),
                "-keyfile",
                str(key),
                "-in",
                str(request),
                "-notext",
            ),
            *("-startdate", dates[0], "-enddate", dates[1], "-out", str(both)),
        ],
    ):
        subprocess.run([openssl, *command], check=True, capture_output=True, timeout=30)
    both.write_text(both.read_text() + key.read_text())
    return both


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        (-400, -3, "has expired on"),
        (2, 100, "is not good before"),
        (-1, 1, None),
        (-1, 40_000, None),  # beyond 2050 a year has four digits
    ],
)
def test_a_certificate_is_told_to_be_too_old(
    tmp_path: Path, since: int, until: int, words: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    days = [TODAY + datetime.timedelta(days=number) for number in (since, until)]
    cert = made(tmp_path, *days)
    tls.ServerOptions(cert=cert).load()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if words is None:
        assert told == []
    else:
        [text] = told
        assert words in text
        assert str(cert) in text
        assert f"{days[0] if since > 0 else days[1]:%Y-%m-%d}" in text


def test_a_file_whose_age_cannot_be_told(tmp_path: Path, certificate: Path) -> None:
    whole = certificate.read_bytes()
    start = whole.index(b"-----BEGIN CERTIFICATE-----")
    assert complaint(tmp_path / "none") is None
    for number in range(start, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[start:number] + b"\n-----END CERTIFICATE-----\n")
        assert complaint(tmp_path / "cut") is None


@pytest.mark.parametrize(
    ("text", "year"),
    [(b"\x17\x0d490101000000Z", 2049), (b"\x17\x0d500101000000Z", 1950), (b"\x17\x0d690101000000Z", 1969),
     (b"\x17\x0d990101000000Z", 1999), (b"\x18\x0f20500101000000Z", 2050)],
)  # fmt: skip
def test_years(text: bytes, year: int) -> None:
    assert _time(text, 0)[0].year == year


def test_a_key_that_may_not_be_read(certificate: Path) -> None:
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        cert, key = (Path(shutil.copy(certificate, folder / name)) for name in ("cert.pem", "key.pem"))
        cert.chmod(0o644)
        key.chmod(0)
        if is_root:
            os.seteuid(65_534)
        try:
            with pytest.raises(PermissionError, match=rf"uid {os.geteuid()}\) may not read it") as caught:
                tls.ServerOptions(cert=cert, key=key).load()
        finally:
            if is_root:
                os.seteuid(0)
    assert caught.value.filename == str(key)
