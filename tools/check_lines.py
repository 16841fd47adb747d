"""Holds the lines of the Markdown files to the length that code has.

    python tools/check_lines.py      prints each that is longer as path:line, and exits 1 if there is one

Not held: rows of tables, what stands in a fenced block, and a line that is one long word (a link). Not here: what is said
(check_docs.py); code (ruff).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.check_docs import ROOT, markdown_files, prose_and_code

CHARACTERS_MAX = 130  # ruff's line-length, pyproject.toml


def is_too_long(line: str) -> bool:
    return len(line) > CHARACTERS_MAX and not line.startswith("|") and " " in line.strip()[:CHARACTERS_MAX].partition("](")[0]


def main() -> int:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {len(text)} characters, {CHARACTERS_MAX} at most"
        for path in markdown_files()
        for number, text, language in prose_and_code(path.read_text())
        if language is None and is_too_long(text)
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
