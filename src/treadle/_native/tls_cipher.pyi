import ssl

from treadle._native.cipher import Cipher

class TLSCipher(Cipher):
    def __init__(
        self,
        context: ssl.SSLContext,
        is_server: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        received: bytes | None = None,
    ) -> None: ...
    @property
    def tls(self) -> ssl.SSLObject | None: ...
    @property
    def is_shaking(self) -> bool: ...
    @property
    def has_peer_said_goodbye(self) -> bool: ...
