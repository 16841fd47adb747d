"""Plain tables in Markdown, aligned so that they read well in a terminal too."""

from __future__ import annotations

from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """The rows under the columns: the first `texts` columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    rule = ["-" * w if i < texts else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join(_line(cells, widths, texts) for cells in (columns, rule, *rows))


def number(value: float) -> str:
    """Three figures that matter: 7.12, 25.4, 118,000."""
    if value != value:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int], texts: int) -> str:
    aligned = (c.ljust(w) if i < texts else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True)))
    return "| " + " | ".join(aligned) + " |"
