"""Contexts for TLS between two ends on this machine. Fixtures: conftest.py makes them known to every test of this folder."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def make_certificate(folder: Path, name: str, *, passphrase: str | None = None) -> Path:
    """A self-signed certificate for a name, and its key, in one file. Skips where the program openssl is not there."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the certificate is made by the program openssl, which is not there")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    command += ["-nodes"] if passphrase is None else ["-passout", f"pass:{passphrase}"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command += ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    both = folder / f"{name}.pem"
    both.write_bytes((folder / f"{name}.key").read_bytes() + (folder / f"{name}.crt").read_bytes())
    return both


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For localhost."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For other.example."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "other.example")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client's certificate, which is its own authority."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "client.example")


@pytest.fixture
def contexts(certificate: Path) -> Contexts:
    """The server's, and that of a client who trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    return server, ssl.create_default_context(cafile=str(certificate))
