"""Certificates, made once."""

from tests.integration.tls import authority, certificate, contexts, other_certificate

__all__ = ["authority", "certificate", "contexts", "other_certificate"]
