"""Certificates, made once."""

from tests.integration.tls import certificate, contexts

__all__ = ["certificate", "contexts"]
