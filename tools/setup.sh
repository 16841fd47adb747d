#!/usr/bin/env bash
# Makes this checkout runnable: picks the interpreter, makes its virtual environment, installs what pyproject.toml asks
# for, and compiles the native core. Does only what is not done yet: the second run takes a moment.
#
#   tools/setup.sh           set up, and print the environment's directory (alone on standard output)
#   tools/setup.sh --which   print the interpreter that would be taken
#
#   PYTHON   a name or a path; default: python3 if it is CPython >= 3.11, else the newest python3.x that starts. An
#            interpreter other than the default has an environment of its own beside .venv: .venv-3.13
#   EXTRAS   the extras of pyproject.toml to install; default: dev
#
# Invariant: a stamp is written after the work that it vouches for, so the next run continues an interrupted one.
# Not here: flags and units of the native core (setup.py).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

NEWEST_FIRST="3.14 3.13 3.12 3.11"
EXTRAS=${EXTRAS:-dev}
STARTED_S=$SECONDS
# An environment of this checkout that happens to be activated says nothing about the machine's python3.
PATH=$(tr ':' '\n' <<<"$PATH" | grep -v "^$PWD/\.venv" | paste -sd ':' -)

say() { echo "treadle: $*" >&2; }
fail() { say "$*"; exit 1; }

# ---- the interpreter

# Every program of that name: on PATH in its order (a version manager's shim among them may not start), then pyenv's,
# newest first.
programs_named() {
    case $1 in
        */*) echo "$1" ;;
        *)
            type -aP "$1" || true
            find "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin -maxdepth 1 -name "$1" 2>/dev/null | sort -rV
            ;;
    esac
}

# Prints path, version and module suffix of the interpreter behind a program, one a line; fails if it does not start or
# will not do. A program in a virtual environment stands for the interpreter that the environment was made with.
probe() {
    "$1" -c '
import os, sys, sysconfig
if sys.version_info < (3, 11) or sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
print("%d.%d" % sys.version_info[:2])
print(sysconfig.get_config_var("EXT_SUFFIX"))' 2>/dev/null
}

first_usable() {
    local program
    while read -r program; do
        probe "$program" && return
    done
    return 1
}

default_interpreter() {
    local version
    type -P python3 | first_usable && return
    for version in $NEWEST_FIRST; do
        programs_named "python$version" | first_usable && return
    done
    return 1
}

choose_interpreter() {
    local standard chosen
    standard=$(default_interpreter) || standard=
    if [ -n "${PYTHON:-}" ]; then
        chosen=$(programs_named "$PYTHON" | first_usable) ||
            fail "PYTHON=$PYTHON is no CPython 3.11 or newer that starts (free-threaded builds are not supported yet)"
    else
        chosen=$standard
        [ -n "$chosen" ] || fail "no CPython >= 3.11 found. Install: apt-get install python3 python3-dev python3-venv"
    fi
    { read -r INTERPRETER; read -r VERSION; read -r SUFFIX; } <<<"$chosen"
    VENV=.venv
    [ "$chosen" = "$standard" ] || VENV=.venv-$VERSION
}

# ---- what the system must bring

# Adds a python package of the distribution to `packages`, if the interpreter is the distribution's.
wants_python_package() {
    case $INTERPRETER in
        "$(realpath -q /usr/bin/python3)") packages+=("python3-$1") ;;
        /usr/bin/*) packages+=("python$VERSION-$1") ;;
    esac
}

require_system() {
    local lacking=() packages=() include compiler all
    include=$("$INTERPRETER" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    compiler=${CC:-$("$INTERPRETER" -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')}
    if ! command -v "${compiler%% *}" >/dev/null; then
        lacking+=("a C compiler (${compiler%% *})") packages+=(build-essential)
        compiler=
    fi
    if [ ! -e "$include/Python.h" ]; then
        lacking+=("Python.h of $INTERPRETER")
        wants_python_package dev
    elif [ -n "$compiler" ] &&
        ! echo '#include <Python.h>' | $compiler -fsyntax-only -I "$include" -x c - 2>/dev/null; then
        lacking+=("the C library's headers") packages+=(build-essential)
    fi
    if ! "$INTERPRETER" -c 'from venv import EnvBuilder' 2>/dev/null; then
        lacking+=("the venv module of $INTERPRETER")
        wants_python_package venv
    fi
    [ ${#lacking[@]} -gt 0 ] || return 0
    all=$(printf ', %s' "${lacking[@]}")
    [ ${#packages[@]} -gt 0 ] || fail "missing: ${all#, }. Install it, or name another interpreter by PYTHON="
    if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing ${packages[*]} …"
        apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >&2 && return
    fi
    fail "missing: ${all#, }. Install: apt-get install ${packages[*]}"
}

# For tests/integration/http/test_browser.py, which is skipped without it: so it is asked for by CI alone, once, and its lack is
# no failure.
offer_browser() {
    local name
    if [ "${CI:-}" != true ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return; fi
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v $name >/dev/null; then return; fi
    done
    if [ -e build/.browser-asked-for ]; then return; fi
    touch build/.browser-asked-for
    say "installing chromium …"
    apt_install chromium || { apt-get update -qq >&2 && apt_install chromium; } || say "no chromium: what needs a browser is skipped"
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2; }

# ---- the environment, the dependencies, the core: each with its stamp

digest() { sha256sum | cut -d ' ' -f 1; }

is_stamped() { [ -e "$1" ] && [ "$(cat "$1")" = "$2" ]; }

make_environment() {
    local stamp=$VENV/.made-with made_with
    made_with="$INTERPRETER $("$INTERPRETER" -V)"
    if is_stamped "$stamp" "$made_with" && "$VENV/bin/python" -c '' 2>/dev/null; then return; fi
    say "creating $VENV ($("$INTERPRETER" -V)) …"
    if "$INTERPRETER" -c 'from ensurepip import bootstrap' 2>/dev/null; then
        "$INTERPRETER" -m venv --clear "$VENV" >&2
    else # Debian without python3-venv: an environment can be made, but pip has to come from elsewhere
        "$INTERPRETER" -m venv --clear --without-pip "$VENV" >&2
        "$INTERPRETER" -m pip --python "$VENV/bin/python" install -q pip 2>/dev/null ||
            fail "missing: pip for $INTERPRETER. Install: apt-get install python${VERSION}-venv"
    fi
    echo "$made_with" >"$stamp"
}

pip_install() { "$VENV/bin/python" -m pip install -qq --disable-pip-version-check "$@" >&2; }

install_dependencies() {
    local stamp=$VENV/.installed-$EXTRAS wanted build_requires
    wanted=$(cat pyproject.toml setup.py | digest)
    if is_stamped "$stamp" "$wanted"; then return; fi
    say "installing the dependencies …"
    mapfile -t build_requires < <("$VENV/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["build-system"]["requires"], sep="\n")')
    pip_install "${build_requires[@]}" || fail "pip could not install the build requirements: see above"
    # Editable, and without the core, which is compiled here piece by piece.
    TREADLE_SKIP_NATIVE=1 pip_install --no-build-isolation -e ".[$EXTRAS]" ||
        fail "pip could not install the dependencies: see above"
    echo "$wanted" >"$stamp"
}

compile_core() {
    local stamp=build/native-stamp$SUFFIX log=build/native.log wanted source is_complete=yes
    wanted=$({ cat setup.py tools/own_gil.py src/treadle/_native/*.pyx src/treadle/_native/*.pxd
               echo "${TREADLE_NATIVE_DEBUG:-} ${TREADLE_SANITIZE:-} ${CC:-} ${CFLAGS:-}"; } | digest)
    for source in src/treadle/_native/*.pyx; do
        [ -e "${source%.pyx}$SUFFIX" ] || is_complete=no
    done
    if [ $is_complete = yes ] && is_stamped "$stamp" "$wanted"; then return; fi
    say "compiling the native core …"
    if ! "$VENV/bin/python" setup.py build_ext --inplace >$log 2>&1; then
        tail -n 40 $log >&2
        fail "the native core did not compile: the whole log is in $log"
    fi
    echo "$wanted" >"$stamp"
}

# ----

choose_interpreter
if [ "${1:-}" = --which ]; then
    echo "$INTERPRETER"
    exit
fi
mkdir -p build
exec 9>build/.setup-lock
flock 9 # two at once would compile over each other
[ -e "$VENV/.installed-$EXTRAS" ] || require_system
offer_browser
make_environment
install_dependencies
compile_core
[ $((SECONDS - STARTED_S)) -lt 2 ] || say "ready in $((SECONDS - STARTED_S)) s"
echo "$VENV"
