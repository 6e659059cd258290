"""Tables and figures as text."""

from collections.abc import Sequence


def render_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a text table: the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in [heading, *rows]) for column in range(len(heading))]
    lines = [heading, ["-" * width for width in widths], *rows]
    return "".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in lines
    )


def format_duration(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def format_kilobytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB"


def format_verdict(missed: Sequence[str]) -> str:
    """Return `OK`, or the missed targets."""
    return f"MISSED ({', '.join(missed)})" if missed else "OK"
