"""nginx in one process: `/` by return, `/download` by sendfile, `/upload` written to a file; with its own deadlines.
nginx_slow.py NGINX FOLDER

Writes the configuration into FOLDER and becomes nginx.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "peers"))
import nginx_return

PLACE = "location = / {{ return 200 'Hello, World!'; }}"
OWN = "keepalive_requests 1000000000; keepalive_timeout 300;"
MORE = """
        location = /download {{ sendfile on; alias {folder}/download.bin; }}
        location = /upload {{ dav_methods PUT; alias {folder}/upload.bin; }}
"""
MIB = 1 << 20

if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "download.bin").write_bytes(b"x" * 64 * MIB)
    assert PLACE in nginx_return.CONFIG
    assert OWN in nginx_return.CONFIG
    nginx_return.CONFIG = nginx_return.CONFIG.replace(PLACE, PLACE + MORE).replace(OWN, "keepalive_requests 1000000000;")
    nginx_return.main()
