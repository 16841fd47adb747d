"""nginx in one process, answering from its configuration (`return 200`). nginx_return.py NGINX FOLDER

Writes the configuration into FOLDER (made when missing) and becomes nginx.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CONFIG = """
{user}daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384;
pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 16384; use epoll; }}
http {{
    access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 300;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = / {{ return 200 'Hello, World!'; }}
    }}
}}
"""


def main() -> None:
    """Write the configuration, then exec nginx."""
    nginx, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    # As root nginx would switch to `nobody`, who may not enter the folder; otherwise the directive only warns.
    user = "user root; " if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(user=user, folder=folder, port=os.environ["PORT"]))
    os.execv(nginx, [nginx, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")])


if __name__ == "__main__":
    main()
