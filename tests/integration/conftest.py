"""What all integration tests may ask for."""

from tests.integration.tls import certificate, contexts

__all__ = ["certificate", "contexts"]
