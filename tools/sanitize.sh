#!/usr/bin/env bash
# The native core under AddressSanitizer and UndefinedBehaviorSanitizer: the whole suite, every program that it starts included, and
# random streams.
#
#   tools/sanitize.sh [pytest arguments]      instead of all tests
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
export TREADLE_SANITIZE=address,undefined # also of the set-up that tests begin: another core is none of theirs
venv=$(EXTRAS=test tools/setup.sh)
[ $# -gt 0 ] || set -- -q
# Reports go to files: a test that expects its program to fail would not show them.
reports=$PWD/build/report
rm -f "$reports".*
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=1:allocator_may_return_null=1:quarantine_size_mb=4:log_path=$reports
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$reports PYTHONMALLOC=malloc
libraries=$("${CC:-cc}" -print-file-name=libasan.so):$("${CC:-cc}" -print-file-name=libubsan.so)
status=0
LD_PRELOAD=$libraries "$venv/bin/python" -m pytest "$@" || status=$?
LD_PRELOAD=$libraries "$venv/bin/python" fuzz/run.py --count "${STREAMS:-20000}" || status=$?
for core in src/treadle/_native/*.so; do
    grep -q __asan_init "$core" || { echo "$core was replaced by one without sanitizers" >&2; status=1; }
done
for report in "$reports".*; do
    [ -e "$report" ] || continue
    cat "$report" >&2
    status=1
done
exit $status
