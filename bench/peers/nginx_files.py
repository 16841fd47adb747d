"""nginx in one process, with the files of $FILES by sendfile. nginx_files.py NGINX FOLDER

Writes the configuration into FOLDER (made when missing) and becomes nginx.
"""

from __future__ import annotations

import os

import nginx_return

PLACE = "location = / {{ return 200 'Hello, World!'; }}"
FILES = "sendfile on; tcp_nopush on; root {files}; index index.html;"

if __name__ == "__main__":
    assert PLACE in nginx_return.CONFIG
    nginx_return.CONFIG = nginx_return.CONFIG.replace(PLACE, FILES.replace("{files}", os.environ["FILES"]))
    nginx_return.main()
