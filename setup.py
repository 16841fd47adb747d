"""Compiles every src/treadle/_native/*.pyx into treadle._native.<unit>. The rest of the package is in pyproject.toml.

Invariant: a unit is compiled only if UNITS says what it is, so that nobody adds a unit without deciding whether an
isolate may load it. Not here: virtual environments, and when to compile again (tools/setup.sh).

Environment: TREADLE_NATIVE_DEBUG=1 (-O0, symbols, bounds and None checks), TREADLE_SANITIZE=address,undefined (-O1,
symbols), TREADLE_SKIP_NATIVE=1 (the metadata only: tools/setup.sh compiles by itself, and only what changed).
"""

import hashlib
import os
import platform
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(Path(__file__).parent / "tools"))  # isolated builds do not look beside setup.py
from own_gil import mend

NATIVE = Path("src/treadle/_native")

OWN_GIL = "own_gil"  # may be loaded by interpreters with a GIL of their own, at once
MAIN_ONLY = "main_only"  # only ever loaded by the main interpreter: module state would cost, and buys nothing

UNITS = {
    "queues": OWN_GIL,
    "forks": OWN_GIL,
    "counters": OWN_GIL,
    "histogram": OWN_GIL,
    "census": MAIN_ONLY,
    "emitter": OWN_GIL,
    "stream_states": OWN_GIL,
    "stream_core": OWN_GIL,
    "readable_buffer": OWN_GIL,
    "readable": OWN_GIL,
    "writable": OWN_GIL,
    "transform": OWN_GIL,
    "stream_pipe": OWN_GIL,
    "ready": OWN_GIL,
    "stream_iterator": OWN_GIL,
    "timers": OWN_GIL,
    "poll_epoll": OWN_GIL,
    "callbacks": OWN_GIL,
    "microtasks": OWN_GIL,
    "timers_phase": OWN_GIL,
    "check_phase": OWN_GIL,
    "io_phases": OWN_GIL,
    "descriptors": OWN_GIL,
    "tasks": OWN_GIL,
    "loop": OWN_GIL,
    "faces": OWN_GIL,
    "pool_threads": OWN_GIL,
    "pool": OWN_GIL,
    "open_files": OWN_GIL,
    "file_facts": OWN_GIL,
    "file_jobs": OWN_GIL,
    "python_jobs": OWN_GIL,
    "name_jobs": OWN_GIL,
    "fs_job": OWN_GIL,
    "fs_calls": OWN_GIL,
    "fs_transfers": OWN_GIL,
    "fs_trees": OWN_GIL,
    "fs_copies": OWN_GIL,
    "fs_replacements": OWN_GIL,
    "inotify": OWN_GIL,
    "fs_jobs": OWN_GIL,
    "movers": MAIN_ONLY,
    "cipher": MAIN_ONLY,
    "tcp": MAIN_ONLY,
    "sendfile": MAIN_ONLY,
    "splice": MAIN_ONLY,
    "socket_stream": MAIN_ONLY,
    "handover": MAIN_ONLY,
    "pipe_stream": MAIN_ONLY,
    "spawn": MAIN_ONLY,
    "reader_feed": MAIN_ONLY,
    "transport": MAIN_ONLY,
    "tls": MAIN_ONLY,
    "tls_records": MAIN_ONLY,
    "tls_cipher": MAIN_ONLY,
    "beneath": MAIN_ONLY,
    "http1_framing": MAIN_ONLY,
    "http1_grammar": MAIN_ONLY,
    "http1_fields": MAIN_ONLY,
    "http1_names": MAIN_ONLY,
    "http1_plain": MAIN_ONLY,
    "http1_phases": MAIN_ONLY,
    "http1_head": MAIN_ONLY,
    "http1_exchange": MAIN_ONLY,
    "http1_deadlines": MAIN_ONLY,
    "unread": MAIN_ONLY,
    "http1_request": MAIN_ONLY,
    "http1_answer_head": MAIN_ONLY,
    "http1_response": MAIN_ONLY,
    "http1_file_body": MAIN_ONLY,
    "http1_messages": MAIN_ONLY,
    "http1_connection": MAIN_ONLY,
    "http1_access_log": MAIN_ONLY,
    "http1_intake": MAIN_ONLY,
    "http1_preface": MAIN_ONLY,
    "http1_server": MAIN_ONLY,
    "asgi1": MAIN_ONLY,
}

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": False,  # indices are checked where they are computed
    "wraparound": False,  # no negative indices in native code
    "initializedcheck": False,
    "cdivision": True,  # C's division; a zero divisor is a bug that the debug build finds
}
DEBUG_DIRECTIVES = {"boundscheck": True, "initializedcheck": True, "cdivision": False, "nonecheck": True}

# Type specs everywhere: module state without them corrupts memory in the second interpreter, and a static type that derives
# from a heap type of another unit is freed with its first instance.
MACROS = {
    OWN_GIL: [("CYTHON_USE_MODULE_STATE", "1"), ("CYTHON_USE_TYPE_SPECS", "1")],
    MAIN_ONLY: [("CYTHON_USE_TYPE_SPECS", "1")],
}

IS_DEBUG = os.environ.get("TREADLE_NATIVE_DEBUG", "0") not in ("", "0")
SANITIZE = os.environ.get("TREADLE_SANITIZE", "")
SKIP_NATIVE = os.environ.get("TREADLE_SKIP_NATIVE", "0") not in ("", "0")


def refuse_unsupported() -> None:
    """One line that names the reason, before a compiler says it in a hundred."""
    if sys.implementation.name != "cpython":
        raise SystemExit(f"treadle needs CPython 3.11 or newer, not {platform.python_implementation()}")
    if sys.platform != "linux":
        raise SystemExit("treadle runs on Linux only for now: use a container, or WSL on Windows")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise SystemExit("treadle does not support free-threaded CPython yet: use the ordinary build")


def compile_arguments() -> list[str]:
    if SANITIZE:
        return ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={SANITIZE}"]
    return ["-O0", "-g"] if IS_DEBUG else ["-O2", "-g0"]


def native_extensions() -> list[Extension]:
    extensions = []
    for source in sorted(NATIVE.glob("*.pyx")):
        if source.stem not in UNITS:
            raise SystemExit(f"{source}: say in setup.py's UNITS whether an isolate may load this unit")
        extensions.append(
            Extension(
                f"treadle._native.{source.stem}",
                [str(source)],
                define_macros=MACROS[UNITS[source.stem]],
                extra_compile_args=compile_arguments(),
                extra_link_args=[f"-fsanitize={SANITIZE}"] if SANITIZE else [],
            )
        )
    return extensions


class BuildNative(build_ext):
    """Cython first, for all units together, since they cimport each other; then the C compiler."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or min(4, os.cpu_count() or 1)

    def run(self) -> None:
        # Build tools compare file times only: other flags, another Cython or text of these files compile everything again.
        from Cython import __version__ as cython_version

        texts = Path(__file__).read_bytes() + Path("tools/own_gil.py").read_bytes()
        texts += repr((cython_version, compile_arguments())).encode()
        recipe = hashlib.sha256(texts).hexdigest()
        record = Path("build", f"native-recipe{sysconfig.get_config_var('EXT_SUFFIX')}")
        self.force = self.force or not record.exists() or record.read_text() != recipe
        record.parent.mkdir(exist_ok=True)
        record.unlink(missing_ok=True)
        super().run()
        record.write_text(recipe)

    def build_extensions(self) -> None:
        from Cython.Build import cythonize  # at build time only: metadata must not need it

        c_files = Path("build", "cython-debug" if IS_DEBUG else "cython")  # the same for every interpreter
        directives = {**DIRECTIVES, **(DEBUG_DIRECTIVES if IS_DEBUG else {})}
        for kind in (OWN_GIL, MAIN_ONLY):
            extensions = [ext for ext in self.extensions if UNITS[ext.name.rpartition(".")[2]] == kind]
            translated = cythonize(
                extensions,
                build_dir=str(c_files),
                include_path=["src"],
                compiler_directives={
                    **directives,
                    "subinterpreters_compatible": "own_gil" if kind == OWN_GIL else "no",
                },
                nthreads=2,
                force=self.force,
                quiet=True,
            )
            for extension, c_extension in zip(extensions, translated, strict=True):
                extension.sources = c_extension.sources
                if kind == OWN_GIL:
                    mend(Path(c_extension.sources[0]))
        super().build_extensions()


if __name__ == "__main__":  # Cython's worker processes import this file again
    refuse_unsupported()
    setup(ext_modules=[] if SKIP_NATIVE else native_extensions(), cmdclass={"build_ext": BuildNative})
