# ruff: noqa: E501
"""The table of calls: writes cases.json, which run_node.js executes in real Node and test_fs.py in treadle.

A case begins in a fresh directory with the same files: f ("hello world"), empty, d with a, b and sub/x, the links ln to f, dirln
to d and dang to nothing; umask 022. A step is [call, argument ..., options]: "h=open" keeps what it gives as h, "h.read" is a
method of it. Recorded of each step: what it gave, or the code of its error; and of the case, what has changed in the directory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Step = list[Any]

FLAGS = [
    "r", "rs", "sr", "r+", "rs+", "sr+", "w", "wx", "xw", "w+", "wx+", "xw+", "a", "ax", "xa", "as", "sa", "a+", "ax+", "xa+",
    "as+", "sa+", 0, 1, 2, 64 | 1, 64 | 128 | 2, 512 | 2, 1024 | 1, "rb", "", "R", "rw", "rx", "x", "+r", None, True, -1, 1.5, [],
]  # fmt: skip


def flag_cases() -> dict[str, list[Step]]:
    cases: dict[str, list[Step]] = {}
    for flag in FLAGS:
        for name in ("f", "new"):
            cases[f"open {name} {json.dumps(flag)}"] = [
                ["h=open", name, flag], ["h.write", "XY"], ["h.read", 4, 0], ["h.write", "Z", 1], ["h.read", 3, None], ["h.close"],
            ]  # fmt: skip
    for flag in ("r", "w", "wx", "a", "ax", "r+", "a+", "w+", "bad"):
        for name in ("f", "new", "d", "dang", "d/nope/x", "f/x"):
            cases[f"write_file {name} {flag}"] = [["write_file", name, "12345", {"flag": flag}]]
            cases[f"append_file {name} {flag}"] = [["append_file", name, "12345", {"flag": flag}]]
            cases[f"read_file {name} {flag}"] = [["read_file", name, {"flag": flag}]]
    return cases


PATHS = [
    "f",
    "d",
    "ln",
    "dirln",
    "dang",
    "nope",
    "f/x",
    "nope/x",
    "d/",
    "f/",
    "ln/",
    "dirln/",
    ".",
    "..",
    "",
    "d/sub/../a",
    "x" * 256,
]


def path_cases() -> dict[str, list[Step]]:
    cases: dict[str, list[Step]] = {}
    for path in PATHS:
        shown = path if len(path) < 20 else "long"
        for call in ("stat", "lstat", "readdir", "readlink", "realpath", "read_file", "unlink", "rmdir"):
            if call in ("unlink", "rmdir") and path == "..":
                continue
            cases[f"{call} {shown!r}"] = [[call, path]]
        cases[f"rm {shown!r}"] = [["rm", path]]
        cases[f"rm force {shown!r}"] = [["rm", path, {"force": True}]]
        if path not in (".", ".."):
            cases[f"rm recursive {shown!r}"] = [["rm", path, {"recursive": True}]]
            cases[f"rm recursive force {shown!r}"] = [["rm", path, {"recursive": True, "force": True}]]
        cases[f"mkdir {shown!r}"] = [["mkdir", path]]
        cases[f"mkdir recursive {shown!r}"] = [["mkdir", path, {"recursive": True}]]
        cases[f"chmod {shown!r}"] = [["chmod", path, 0o640]]
        cases[f"truncate {shown!r}"] = [["truncate", path, 3]]
        cases[f"utimes {shown!r}"] = [["utimes", path, 12, 34], ["times", path]]
        cases[f"lutimes {shown!r}"] = [["lutimes", path, 12, 34], ["ltimes", path]]
        for mode in range(8):
            cases[f"access {shown!r} {mode}"] = [["access", path, mode]]
        for other in ("f", "d", "dirln", "dang", "new", "nope/new"):
            for call in ("rename", "link", "copy_file", "symlink"):
                cases[f"{call} {shown!r} {other}"] = [[call, path, other]]
    return cases


def single_cases() -> dict[str, list[Step]]:
    return {
        # directories
        "mkdir mode": [["mkdir", "m", {"mode": 0o700}]],
        "mkdir mode as text": [["mkdir", "m", {"mode": "750"}]],
        "mkdir bad mode": [["mkdir", "m", {"mode": "9"}]],
        "mkdir deep": [["mkdir", "m/n/o", {"recursive": True}], ["mkdir", "m/n/o", {"recursive": True}], ["mkdir", "m/n/p/q", {"recursive": True}]],
        "mkdir deep, odd slashes": [["mkdir", "./m//n/./o///", {"recursive": True}]],
        "mkdir deep, by the parent": [["mkdir", "m/../n/o", {"recursive": True}]],
        "mkdir deep with a mode": [["mkdir", "m/n", {"recursive": True, "mode": 0o711}]],
        "mkdir below a link": [["mkdir", "dirln/n/o", {"recursive": True}]],
        "mkdir below a file": [["mkdir", "f/n/o", {"recursive": True}]],
        "mkdir below a dangling link": [["mkdir", "dang/n", {"recursive": True}]],
        "mkdir not deep": [["mkdir", "m/n"]],
        "rmdir": [["rmdir", "d"], ["rm", "d/sub/x"], ["rmdir", "d/sub"], ["rmdir", "d/sub"]],
        "rm twice": [["rm", "f"], ["rm", "f"], ["rm", "f", {"force": True}]],
        "rm a tree": [["rm", "d", {"recursive": True}], ["readdir", "."]],
        "rm a tree with a link out": [["symlink", "../f", "d/out"], ["symlink", "..", "d/up"], ["rm", "d", {"recursive": True}], ["read_file", "f"]],
        "rm a link to a tree": [["rm", "dirln", {"recursive": True}], ["readdir", "d"]],
        "readdir with types": [["readdir", ".", {"with_file_types": True}]],
        "readdir of a part with types": [["readdir", "d/", {"with_file_types": True}]],
        "readdir recursive": [["readdir", "d", {"recursive": True}]],
        "readdir recursive with types": [["readdir", "d", {"recursive": True, "with_file_types": True}]],
        "readdir recursive, a wide one": [
            ["mkdir", "w/b/c", {"recursive": True}], ["mkdir", "w/a/c", {"recursive": True}], ["write_file", "w/a/c/1", ""],
            ["write_file", "w/b/c/2", ""], ["write_file", "w/z", ""], ["readdir", "w", {"recursive": True}],
        ],
        "readdir recursive over a link": [["readdir", ".", {"recursive": True}]],
        "readdir recursive of a file": [["readdir", "f", {"recursive": True}]],
        "readdir of names that sort oddly": [
            ["mkdir", "o"], *[["write_file", f"o/{name}", ""] for name in ("B", "a", "Z", "_", "10", "9", "ä", "é", ".h", "-")],
            ["readdir", "o"],
        ],
        "mkdtemp": [["mkdtemp", "tmp-"]],
        "mkdtemp below nothing": [["mkdtemp", "nope/tmp-"]],
        # links and names
        "symlink, followed": [["symlink", "f", "s"], ["readlink", "s"], ["read_file", "s"], ["realpath_name", "s"]],
        "symlink to itself": [["symlink", "s", "s"], ["stat", "s"], ["lstat", "s"], ["readlink", "s"], ["read_file", "s"], ["realpath", "s"]],
        "symlink to nothing": [["symlink", "", "s"]],
        "link counts": [["link", "f", "g"], ["stat", "g"], ["unlink", "f"], ["stat", "g"]],
        "link of a link": [["link", "ln", "g"], ["lstat", "g"]],
        "rename over": [["rename", "f", "empty"], ["read_file", "empty"]],
        "rename a directory over an empty one": [["mkdir", "e"], ["rename", "d", "e"]],
        "rename a directory over a full one": [["mkdir", "e"], ["write_file", "e/x", ""], ["rename", "d", "e"]],
        "rename into itself": [["rename", "d", "d/sub/d"]],
        "rename to itself": [["rename", "f", "f"]],
        "unlink an open file": [["h=open", "f", "r+"], ["unlink", "f"], ["h.stat"], ["h.read", 20, 0], ["h.close"]],
        # whole files
        "write_file text": [["write_file", "n", "h\u00e9llo \u20ac \U0001f600"], ["read_file", "n"], ["read_file", "n", {"encoding": "utf8"}]],
        "write_file latin1": [["write_file", "n", "h\u00e9", {"encoding": "latin1"}], ["read_file", "n"], ["read_file", "n", {"encoding": "latin1"}]],
        "write_file utf16le": [["write_file", "n", "h\u00e9", {"encoding": "utf16le"}], ["read_file", "n"], ["read_file", "n", {"encoding": "utf16le"}]],
        "write_file hex": [["write_file", "n", "00ff10", {"encoding": "hex"}], ["read_file", "n"], ["read_file", "n", {"encoding": "hex"}]],
        "write_file base64": [["write_file", "n", "AP8Q", {"encoding": "base64"}], ["read_file", "n", {"encoding": "base64"}]],
        "write_file of an unknown encoding": [["write_file", "n", "x", {"encoding": "klingon"}]],
        "read_file of an unknown encoding": [["read_file", "f", {"encoding": "klingon"}]],
        "read_file that is no utf8": [["write_file", "n", "ff41c3", {"encoding": "hex"}], ["read_file", "n", {"encoding": "utf8"}]],
        "write_file mode": [["write_file", "n", "x", {"mode": 0o600}], ["write_file", "n", "y", {"mode": 0o777}]],
        "write_file mode as text": [["write_file", "n", "x", {"mode": "604"}]],
        "write_file flush": [["write_file", "n", "x", {"flush": True}], ["append_file", "n", "y", {"flush": True}], ["read_file", "n"]],
        "write_file shorter": [["write_file", "f", "hi"], ["read_file", "f"]],
        "write_file through a link": [["write_file", "ln", "hi"], ["read_file", "f"], ["lstat", "ln"]],
        "write_file through a dangling link": [["write_file", "dang", "hi"], ["readdir", "."]],
        "write_file of a number": [["write_file", "n", 5]],
        "write_file of null": [["write_file", "n", None]],
        "append_file": [["append_file", "f", "!"], ["append_file", "n", "new"], ["read_file", "f"], ["read_file", "n"]],
        "append_file mode": [["append_file", "n", "new", {"mode": 0o640}]],
        "read_file of a handle": [["h=open", "f"], ["h.read", 6, None], ["h.read_file"], ["h.read_file"], ["h.close"]],
        "write_file to a handle": [["h=open", "f", "r+"], ["h.write_file", "AB"], ["h.write_file", "CD"], ["h.close"], ["read_file", "f"]],
        "append_file to a handle": [["h=open", "f", "r+"], ["h.append_file", "AB"], ["h.close"], ["read_file", "f"]],
        "read_file, write only": [["h=open", "f", "a"], ["h.read_file"], ["h.close"]],
        "copy_file": [["copy_file", "f", "g"], ["read_file", "g"]],
        "copy_file excl": [["copy_file", "f", "g", 1], ["copy_file", "f", "g", 1]],
        "copy_file ficlone": [["copy_file", "f", "g", 2], ["read_file", "g"]],
        "copy_file over": [["copy_file", "f", "empty"], ["read_file", "empty"]],
        "copy_file over a longer one": [["copy_file", "empty", "f"], ["read_file", "f"]],
        "copy_file to itself": [["copy_file", "f", "f"], ["read_file", "f"]],
        "copy_file to itself by a link": [["copy_file", "f", "ln"], ["read_file", "f"], ["lstat", "ln"]],
        "copy_file to itself by a name": [["link", "f", "g"], ["copy_file", "f", "g"], ["read_file", "f"]],
        "copy_file of a mode": [["chmod", "f", 0o751], ["copy_file", "f", "g"]],
        "copy_file over a mode": [["chmod", "empty", 0o600], ["copy_file", "f", "empty"]],
        "copy_file of a directory": [["copy_file", "d", "g"]],
        "copy_file bad mode": [["copy_file", "f", "g", 8]],
        "copy_file mode as text": [["copy_file", "f", "g", "1"]],
        # attributes
        "chmod": [["chmod", "f", 0o600], ["chmod", "f", "777"], ["chmod", "d", 0o755]],
        "chmod setuid": [["chmod", "f", 0o4755], ["stat", "f"]],
        "chmod bad text": [["chmod", "f", "abc"]],
        "chmod negative": [["chmod", "f", -1]],
        "chmod too much": [["chmod", "f", 4294967296]],
        "chmod no number": [["chmod", "f", None]],
        "chown to oneself": [["chown", "f", 0, 0], ["chown", "f", -1, -1], ["stat", "f"]],
        "chown text": [["chown", "f", "root", 0]],
        "chown out of range": [["chown", "f", -2, 0]],
        "lchown": [["lchown", "dang", 0, 0], ["lchown", "nope", 0, 0], ["chown", "dang", 0, 0]],
        "utimes parts of seconds": [["utimes", "f", 1.5, 2.25], ["times", "f"]],
        "utimes before 1970": [["utimes", "f", -1, -1.5], ["times", "f"]],
        "utimes far": [["utimes", "f", 4102444800, 2147483648], ["times", "f"]],
        "utimes text": [["utimes", "f", "abc", 0]],
        "utimes null": [["utimes", "f", None, 0]],
        "truncate": [["truncate", "f"], ["stat", "f"]],
        "truncate longer": [["truncate", "f", 20], ["read_file", "f"]],
        "truncate negative": [["truncate", "f", -5], ["stat", "f"]],
        "truncate a part": [["truncate", "f", 1.5]],
        "truncate text": [["truncate", "f", "1"]],
        "access of a mode that is none": [["access", "f", 8], ["access", "f", -1]],
        # handles
        "handle read": [["h=open", "f"], ["h.read", 5, None], ["h.read", 3, None], ["h.read", 99, None], ["h.read", 99, None], ["h.close"]],
        "handle read by position": [["h=open", "f"], ["h.read", 5, 6], ["h.read", 5, 20], ["h.read", 5, 0], ["h.read", 5, None], ["h.close"]],
        "handle read nothing": [["h=open", "f"], ["h.read", 0, 0], ["h.read", 0, None], ["h.close"]],
        "handle read a directory": [["h=open", "d"], ["h.stat"], ["h.read", 5, 0], ["h.read_file"], ["h.close"]],
        "handle read bad positions": [["h=open", "f"], ["h.read", 5, -1], ["h.read", 5, -2], ["h.read", 5, 1.5], ["h.read", 5, "x"], ["h.close"]],
        "handle read into": [["h=open", "f"], ["h.read_into", 10, 2, 5, 0], ["h.read_into", 10, 10, 0, 0], ["h.read_into", 10, 11, 0, 0],
                             ["h.read_into", 10, 0, 11, 0], ["h.read_into", 10, 0, 10, 6], ["h.close"]],
        "handle readv": [["h=open", "f"], ["h.readv", [3, 4], 0], ["h.readv", [3, 4], None], ["h.readv", [20, 4], None], ["h.readv", [], 0], ["h.close"]],
        "handle write": [["h=open", "f", "r+"], ["h.write", "AB"], ["h.write", "CD"], ["h.write", "Z", 8], ["h.write", "E"], ["h.close"], ["read_file", "f"]],
        "handle write behind the end": [["h=open", "empty", "r+"], ["h.write", "X", 5], ["h.close"], ["read_file", "empty"]],
        "handle write nothing": [["h=open", "f", "r+"], ["h.write", ""], ["h.close"]],
        "handle write at a position in append mode": [["h=open", "f", "a"], ["h.write", "X", 0], ["h.close"], ["read_file", "f"]],
        "handle write of a number": [["h=open", "f", "r+"], ["h.write", 5], ["h.write", None], ["h.close"]],
        "handle writev": [["h=open", "f", "w+"], ["h.writev", ["ab", "c", ""], None], ["h.writev", ["XY", "Z"], 1], ["h.writev", [], None],
                          ["h.read", 10, 0], ["h.close"]],
        "handle write, read only": [["h=open", "f"], ["h.write", "X"], ["h.write_file", "X"], ["h.writev", ["X"], 0], ["h.truncate"], ["h.close"]],
        "handle read, write only": [["h=open", "f", "w"], ["h.read", 5, 0], ["h.readv", [5], 0], ["h.close"]],
        "handle truncate": [["h=open", "f", "r+"], ["h.truncate", 4], ["h.stat"], ["h.truncate", 6], ["h.read", 9, 0], ["h.truncate"], ["h.stat"],
                            ["h.truncate", -3], ["h.close"]],
        "handle chmod, chown, utimes": [["h=open", "f"], ["h.chmod", 0o604], ["h.chown", 0, 0], ["h.utimes", 7, 8.5], ["h.stat"], ["h.close"], ["times", "f"]],
        "handle sync": [["h=open", "f", "r+"], ["h.write", "X"], ["h.sync"], ["h.datasync"], ["h.close"]],
        "handle sync of a directory": [["h=open", "d"], ["h.sync"], ["h.close"]],
        "handle closed twice": [["h=open", "f"], ["h.close"], ["h.close"], ["h.fd"]],
        "handle used closed": [["h=open", "f"], ["h.close"], ["h.read", 5, 0], ["h.stat"], ["h.write", "x"], ["h.read_file"], ["h.sync"], ["h.truncate"],
                               ["h.chmod", 0o600], ["h.utimes", 1, 1], ["h.readv", [1], 0]],
        "open mode": [["h=open", "n", "w", 0o640], ["h.stat"], ["h.close"]],
        "open mode as text": [["h=open", "n", "w", "600"], ["h.stat"], ["h.close"]],
        "open bad mode": [["open", "n", "w", "8"], ["open", "n", "w", -1]],
        "open excl of a dangling link": [["h=open", "dang", "wx"]],
        "open a directory to write": [["open", "d", "w"], ["open", "d", "r+"], ["open", "d", "a"]],
        "open O_DIRECTORY": [["open", "f", 0o200000], ["h=open", "d", 0o200000], ["h.close"]],
        "open O_NOFOLLOW": [["open", "ln", 0o400000], ["h=open", "f", 0o400000], ["h.close"]],
        "open, no path": [["open", None], ["open", 5.5], ["open", []], ["open", True]],
        "a NUL in a path": [["open", "a\0b"], ["stat", "a\0b"], ["rename", "f", "a\0b"], ["mkdtemp", "a\0b"]],
        "no path": [["stat", None], ["read_file", None], ["rename", "f", None], ["readdir", 1.5]],
    }  # fmt: skip


def all_cases() -> dict[str, list[Step]]:
    return {**flag_cases(), **path_cases(), **single_cases()}


if __name__ == "__main__":
    rows = [f"{json.dumps(name)}: {json.dumps(steps)}" for name, steps in all_cases().items()]
    (Path(__file__).parent / "cases.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")
