"""Checks the Markdown of the repository: links lead somewhere, Python code compiles, and programs print what the page says.

    python tools/check_docs.py      prints each finding as path:line, and exits 1 if there is one

A link is checked up to its #heading. Code is what stands in a ```python block; top-level await is allowed there. A program is
such a block with a ```text block right behind it: `treadle run` must write exactly that to its standard output. A ```trace block
behind either is what `treadle trace --no-times` must write to its standard error. Not here: addresses on other hosts, and code
without an output (tests run the examples that can be run).
"""

import ast
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MADE = ("build", "dist")  # folders of the build
PROGRAM_S = 30.0  # for a program of a page, which needs a fraction of a second; two busy cores are slow at times

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<language>[\w-]*)")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)")
HEADING = re.compile(r"^#{1,6} +(?P<title>.*?) *#*$")


def markdown_files() -> list[Path]:
    """Those beside the README, and those in the visible folders: neither environments nor caches."""
    folders = (path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in MADE)
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


def prose_and_code(text: str) -> Iterator[tuple[int, str, str | None]]:
    """(line, text, language): each line of prose by itself, with language None, and each fenced block as one."""
    block: list[str] = []
    opening: re.Match[str] | None = None
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if opening is None and match is None:
            yield number, line, None
        elif opening is None:
            opening, block, start = match, [], number + 1
        elif match and match["fence"] == opening["fence"] and not match["language"]:
            yield start, "\n".join(block), opening["language"]
            opening = None
        else:
            block.append(line)
    if opening is not None:
        yield start - 1, "", "unclosed"


def anchor(title: str) -> str:
    """The #fragment that forges make of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def anchors_in(path: Path) -> set[str]:
    prose = (text for _, text, language in prose_and_code(path.read_text()) if language is None)
    return {anchor(match["title"]) for text in prose if (match := HEADING.match(text))}


def dead_link(path: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return False
    name, _, fragment = target.partition("#")
    file = path.parent / name if name else path
    if not file.exists():
        return True
    return bool(fragment) and file.suffix == ".md" and fragment not in anchors_in(file)


def findings_in(path: Path) -> Iterator[str]:
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    for line, text, language in prose_and_code(path.read_text()):
        if language is None:
            for match in LINK.finditer(re.sub(r"`[^`]*`", "", text)):
                if dead_link(path, match["target"]):
                    yield f"{where}:{line}: nothing at {match['target']}"
        elif language == "unclosed":
            yield f"{where}:{line}: a code block without its end"
        elif language == "python":
            try:
                compile(textwrap.dedent(text), str(where), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            except SyntaxError as error:
                yield f"{where}:{line + (error.lineno or 1) - 1}: {error.msg}"


class Shown(NamedTuple):
    """A program of a page, and what the page says it writes."""

    line: int
    program: str
    language: str  # text, trace
    output: str


def programs_in(path: Path) -> Iterator[Shown]:
    """Each ```python block with nothing but blank lines before the ```text block, the ```trace block, or both behind it."""
    program: tuple[int, str] | None = None
    following = ["text", "trace"]
    for line, text, language in prose_and_code(path.read_text()):
        if language == "python":
            program, following = (line, textwrap.dedent(text)), ["text", "trace"]
        elif program is not None and language in following:
            yield Shown(*program, language, textwrap.dedent(text))
            following = following[following.index(language) + 1 :]
        elif language is not None or text.strip():
            program = None


def wrong_outputs_in(path: Path) -> Iterator[str]:
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    for shown in programs_in(path):
        printed = output_of(shown.program, shown.language)
        if printed.strip() != shown.output.strip():
            what = "program prints" if shown.language == "text" else "trace is"
            yield f"{where}:{shown.line}: the {what}\n{textwrap.indent(printed, '    ')}"


def output_of(program: str, language: str = "text") -> str:
    """What it writes to its standard output under `treadle run`, or its trace; in the end, that it did not end."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(program)
        treadle = ["run"] if language == "text" else ["trace", "--no-times"]
        command = [sys.executable, "-m", "treadle", *treadle, str(file)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, cwd=folder, check=False)
            return ended.stdout if language == "text" else ended.stderr
        except subprocess.TimeoutExpired as error:
            printed = error.stdout or b""
            return (printed.decode() if isinstance(printed, bytes) else printed) + f"(no end within {PROGRAM_S:g} s)\n"


if __name__ == "__main__":
    findings = [finding for path in markdown_files() for check in (findings_in, wrong_outputs_in) for finding in check(path)]
    print(*findings, sep="\n" if findings else "")
    sys.exit(bool(findings))
