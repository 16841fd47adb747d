#!/usr/bin/env bash
# Builds sdist and wheel, installs the wheel into an environment of its own, and sees it serve a request from outside of this checkout.
#
#   tools/check_dist.sh PYTHON      an interpreter that has `build`
#
# Everything happens in a temporary folder, which goes when it ends. Not here: dist/ (make dist).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(realpath -s "$1")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "$work"/dist/*.whl
cd "$work"
cat >served.py <<'PROGRAM'
import asyncio
import treadle
from treadle import http

async def main():
    server = http.create_server(lambda req, res: res.end(f"from {req.url}")).listen(0)
    reader, writer = await asyncio.open_connection(*server.address())
    writer.write(b"GET /wheel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"from /wheel"), "another answer"
    writer.close()
    server.close()

treadle.run(main)
PROGRAM
"$work/venv/bin/python" served.py
"$work/venv/bin/treadle" --version
ls dist
