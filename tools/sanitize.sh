#!/usr/bin/env bash
# The native core under AddressSanitizer and UndefinedBehaviorSanitizer: unit tests, transports, every malformed request, slow and
# pipelining peers, and random streams.
#
#   tools/sanitize.sh [pytest arguments]      instead of these tests
#
# Works in a copy of this checkout, build/sanitize, so that the ordinary build is untouched. Python allocates by malloc meanwhile:
# a read past the end of a bytes object is seen. Leaks are not looked for: CPython itself leaves much behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy=build/sanitize
mkdir -p "$copy"
rm -rf "$copy"/{src,tests,fuzz}
git ls-files -z | tar --null --files-from=- -cf - | tar -xf - -C "$copy"
cd "$copy"
venv=$(TREADLE_SANITIZE=address,undefined EXTRAS=test tools/setup.sh)
http=tests/integration/http
[ $# -gt 0 ] || set -- -q tests/unit tests/integration/loop $http/test_vectors.py $http/test_limits.py $http/test_sending.py \
    $http/test_read_behind_answer.py $http/test_pipelining.py $http/test_handlers.py
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=1:allocator_may_return_null=1:quarantine_size_mb=4 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONMALLOC=malloc
export LD_PRELOAD
LD_PRELOAD=$("${CC:-cc}" -print-file-name=libasan.so):$("${CC:-cc}" -print-file-name=libubsan.so)
"$venv/bin/python" -m pytest "$@"
"$venv/bin/python" fuzz/run.py --count "${STREAMS:-20000}"
