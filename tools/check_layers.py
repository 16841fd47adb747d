"""Holds every import and cimport in src/treadle to tools/layers.toml.

    python tools/check_layers.py      prints each offence as path:line, and exits 1 if there is one

Imports count at any depth: in functions, under TYPE_CHECKING, and import_module() or __import__() of a constant name.
Python files are read by `ast`; Cython files, which no parser but Cython's own reads, by logical line once strings and
comments are blanked. Not here: imports from outside treadle, and cycles inside one package.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FRONT = "treadle"
NATIVE = "_native"
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")


class Import(NamedTuple):
    """One name that a file imports, absolute: treadle.loop.program, or, of `from treadle import fs`, treadle.fs."""

    line: int
    target: str


class Offence(NamedTuple):
    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Rows:
    """One table of layers.toml. Row 0 is the top."""

    rows: list[list[str]]
    sideways: list[list[str]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {name for row in self.rows for name in row}

    def row_of(self, name: str) -> int:
        return next(index for index, row in enumerate(self.rows) if name in row)

    def objection(self, importer: str, imported: str) -> str | None:
        """Why `importer` must not import `imported`, or None."""
        for name in (importer, imported):
            if name not in self.names:
                return f"{name} has no row in tools/layers.toml"
        above, below = self.row_of(importer), self.row_of(imported)
        if importer == imported or above < below:
            return None
        if above > below:
            return f"{importer} imports {imported}, which stands above it"
        if [importer, imported] in self.sideways:
            return None
        return f"{importer} imports {imported}, which stands beside it"


@dataclass(frozen=True)
class Layers:
    packages: Rows
    native: Rows

    @classmethod
    def load(cls, path: Path = ROOT / "tools" / "layers.toml") -> "Layers":
        with path.open("rb") as file:
            tables = tomllib.load(file)
        return cls(Rows(**tables["packages"]), Rows(**tables["native"]))


# ---- reading imports


def absolute(module: str, level: int, package: str) -> str:
    """The absolute name of `module` as imported with `level` leading dots by a file whose package is `package`."""
    if level == 0:
        return module
    parts = package.split(".")
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, module] if module else base)


def imports_of_python(source: str, package: str) -> Iterator[Import]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node.module or "", node.level, package)
            yield from (Import(node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0]
            if function in ("import_module", "__import__") and isinstance(name, ast.Constant):
                text = str(name.value)
                stem = text.lstrip(".")
                yield Import(node.lineno, absolute(stem, len(text) - len(stem), package))


STRINGS_AND_COMMENTS = re.compile(
    r'"""(?:\\.|[^\\])*?"""' r"|'''(?:\\.|[^\\])*?'''" r'|"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'" r"|\#[^\n]*",
    re.DOTALL,
)
FROM = re.compile(r"from\s+(?P<dots>[.\s]*)(?P<module>[\w.]*)\s+c?import\s+\(?(?P<names>[^)]*)\)?$")
PLAIN = re.compile(r"c?import\s+(?P<names>[\w., ]+)$")
INCLUDE = re.compile(r"include\b")
ANY_IMPORT = re.compile(r"(from|c?import)\b")

# Not targets, but findings
PASTED = "include: a unit is cimported, never pasted"
UNREAD = "an import that tools/check_layers.py cannot read"


def logical_lines(source: str) -> Iterator[tuple[int, str]]:
    """The statements of a Cython file, without strings and comments, each with the line that it starts on."""
    blanked = STRINGS_AND_COMMENTS.sub(lambda match: "\n" * match[0].count("\n"), source)
    start, depth, text = 1, 0, ""
    for number, line in enumerate(blanked.split("\n"), 1):
        if not text:
            start = number
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        if line.rstrip().endswith("\\"):
            text += line.rstrip()[:-1] + " "
        elif depth > 0:
            text += line + " "
        else:
            yield from ((start, part.strip()) for part in (text + line).split(";"))
            depth, text = 0, ""


def imports_of_cython(source: str, package: str) -> Iterator[Import]:
    for line, statement in logical_lines(source):
        # `if x: import y` and `else: cimport z` on one line
        text = statement.rpartition(": ")[2] if re.match(r"(if|else|elif|try|except|with)\b", statement) else statement
        if INCLUDE.match(text):
            yield Import(line, PASTED)
        elif match := FROM.match(text):
            module = absolute(match["module"], match["dots"].count("."), package)
            names = (name.split()[0] for name in match["names"].split(",") if name.strip())
            yield from (Import(line, f"{module}.{name}") for name in names)
        elif match := PLAIN.match(text):
            yield from (Import(line, name.split()[0]) for name in match["names"].split(",") if name.strip())
        elif ANY_IMPORT.match(text):
            yield Import(line, UNREAD)


# ---- judging them


def room_of(module: str, packages: Rows) -> str:
    """The package of treadle that an absolute name lies in. What is no package is a name of the front."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in packages.names else FRONT


def offences_in(path: Path, source_root: Path, layers: Layers) -> Iterator[Offence]:
    relative = path.relative_to(source_root)
    package = ".".join(relative.parent.parts)
    is_front = len(relative.parts) == 2 and path.stem in ("__init__", "__main__")
    room = FRONT if is_front else relative.with_suffix("").parts[1]
    is_cython = path.suffix in (".pyx", ".pxd")
    if is_cython and room != NATIVE:
        yield Offence(path, 1, "Cython outside _native")
    unit = path.stem if room == NATIVE and path.stem != "__init__" else None
    if unit and unit not in layers.native.names:
        yield Offence(path, 1, f"{unit} has no row in the [native] table of tools/layers.toml")
        return
    if room not in layers.packages.names:
        yield Offence(path, 1, f"{room} has no row in tools/layers.toml")
        return
    source = path.read_text()
    for found in (imports_of_cython if is_cython else imports_of_python)(source, package):
        if found.target in (PASTED, UNREAD):
            yield Offence(path, found.line, found.target)
        if found.target.split(".")[0] != FRONT:
            continue
        imported = room_of(found.target, layers.packages)
        objection = layers.packages.objection(room, imported)
        native_parts = found.target.split(".")[2:3]
        if unit and imported == NATIVE and native_parts:
            objection = layers.native.objection(unit, native_parts[0])
        if objection:
            yield Offence(path, found.line, objection)


def missing_rooms(source_root: Path, layers: Layers) -> Iterator[Offence]:
    """Rows whose package or unit does not exist (any more)."""
    root = source_root / FRONT
    for name in sorted(layers.packages.names - {FRONT}):
        if not (root / name / "__init__.py").exists() and not (root / f"{name}.py").exists():
            yield Offence(root / name, 1, "stands in tools/layers.toml, but does not exist")
    for name in sorted(layers.native.names):
        if not (root / NATIVE / f"{name}.pyx").exists():
            yield Offence(root / NATIVE / f"{name}.pyx", 1, "stands in tools/layers.toml, but does not exist")


def check(source_root: Path = ROOT / "src", layers: Layers | None = None) -> list[Offence]:
    layers = layers or Layers.load()
    paths = sorted(path for path in (source_root / FRONT).rglob("*.*") if path.suffix in SUFFIXES)
    offences = [offence for path in paths for offence in offences_in(path, source_root, layers)]
    return [*offences, *missing_rooms(source_root, layers)]


if __name__ == "__main__":
    found = check()
    print(*found, sep="\n" if found else "")
    sys.exit(bool(found))
