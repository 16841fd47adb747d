"""What `make run` starts: the upstream, the gateway under `treadle run`, the FastAPI application under `treadle serve`.

Ports: UPSTREAM_PORT (8002), GATEWAY_PORT (8000), API_PORT (8001). Ctrl-C or SIGTERM ends all three; so does the end of one.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PORTS = {name: int(os.environ.get(name, default)) for name, default in
         (("GATEWAY_PORT", "8000"), ("API_PORT", "8001"), ("UPSTREAM_PORT", "8002"))}  # fmt: skip
STOP_S = 10.0  # for the children to end by themselves, all together


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    for name, port in PORTS.items():
        if is_taken(port):
            sys.exit(f"port {port} is taken: choose another by {name}=...")
    env = os.environ | {name: str(port) for name, port in PORTS.items()}
    env["UPSTREAM"] = f"http://127.0.0.1:{PORTS['UPSTREAM_PORT']}"
    treadle = [sys.executable, "-m", "treadle"]
    commands = [
        [sys.executable, str(HERE / "upstream.py"), str(PORTS["UPSTREAM_PORT"])],
        [*treadle, "run", str(HERE / "gateway.py")],
        [*treadle, "serve", "fastapi_app:app", "--app-dir", str(HERE), "--port", str(PORTS["API_PORT"])],
    ]
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell that starts us in the background has it ignored
        signal.signal(number, signal.default_int_handler)
    children: list[subprocess.Popen[bytes]] = []
    code = 0
    try:
        children = [subprocess.Popen(command, env=env, start_new_session=True) for command in commands]
        while not all(map(is_taken, PORTS.values())) and all(child.poll() is None for child in children):
            time.sleep(0.05)
        print(f"\nready: curl http://127.0.0.1:{PORTS['GATEWAY_PORT']}/  says what to try; FastAPI is on "
              f"http://127.0.0.1:{PORTS['API_PORT']}/docs; Ctrl-C ends it", flush=True)  # fmt: skip
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
        code = 1
        print("one of the three has ended, so the others do", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nending", flush=True)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one must not leave a child behind
            signal.signal(number, signal.SIG_IGN)
        for child in children:
            if child.poll() is None:
                child.terminate()
        end = time.monotonic() + STOP_S
        for child in children:
            try:
                child.wait(max(0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    sys.exit(code)


if __name__ == "__main__":
    main()
