"""The rows of a query as a table for a person. Only a terminal cuts it: to its width, and to 40 rows."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reelhouse.cli.terminal import display
from reelhouse.errors import printable
from reelhouse.serve.files import cell, plain, python_values

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 40
# What a column keeps of its width, in characters, when not all fit.
_LEAST = 20
_NUMBERS = ("int", "uint", "float", "double", "halffloat", "decimal")
_CUT = Text("…", style="dim")


class _ResultColumn(NamedTuple):
    name: Text
    cells: list[Text]
    numeric: bool

    @property
    def width(self) -> int:
        return max(text.cell_len for text in (self.name, *self.cells))


def show(
    title: str, found: pa.Table, output: Path | None = None, *, vertical: bool = False, whole: bool = False
) -> None:
    """Show a query's result on stdout, with *whole* all its rows, or write it into a file."""
    terminal = Console() if output is None and display.at_terminal(sys.stdout) else None
    shown = found
    if terminal and not whole and found.num_rows > _ROWS:
        # The first and the last ones.
        import pyarrow as pa

        shown = pa.concat_tables([found.slice(0, _ROWS // 2), found.slice(found.num_rows - _ROWS // 2)])
    columns = [_column(name, values) for name, values in zip(found.column_names, shown.columns, strict=True)]
    widths = {at: column.width for at, column in enumerate(columns)}
    if terminal and not vertical:
        widths = _fitting(list(widths.values()), terminal.width)
    drawn = io.StringIO()
    # Wide enough for all that is left: rich itself cuts nothing.
    room = max(sum(widths.values()) + 3 * (len(widths) + 1) + 2, 80)
    console = Console(
        file=drawn,
        highlight=False,
        width=room,
        force_terminal=terminal is not None,
        color_system=terminal.color_system if terminal else None,  # type: ignore[arg-type]
        no_color=terminal is not None and terminal.no_color,
    )
    if title:
        console.print(Text(printable(title), style="bold"), soft_wrap=True)
    cut = shown.num_rows < found.num_rows
    if vertical:
        _draw_lines(console, columns, found.num_rows, cut)
    else:
        console.print(_table(columns, widths, cut))
    rows = _count(found.num_rows, shown.num_rows, "row", "--output FILE has all")
    console.print(f"{rows}, {_count(len(columns), len(widths), 'column', '--vertical shows all')}", soft_wrap=True)
    if terminal:
        sys.stdout.write(drawn.getvalue())
    else:
        display.text(drawn.getvalue(), output)


def _column(name: str, values: Any) -> _ResultColumn:
    numeric = str(values.type).startswith(_NUMBERS)
    return _ResultColumn(
        Text(printable(name), style="bold"), [_text(value) for value in python_values(values)], numeric
    )


def _text(value: object) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.10g}")
    if isinstance(value, datetime):
        return Text(value.isoformat(" ").replace("+00:00", "Z"))
    return Text(printable(cell(plain(value)) if isinstance(value, (bool, list, dict)) else str(value)))


def _fitting(widths: Sequence[int], room: int) -> dict[int, int]:
    """The width of each column that is shown in *room* characters: of all if they fit, else of the outermost."""

    def left(shown: Iterable[int]) -> int:
        return room - 1 - sum(width + 3 for width in shown)

    if left(widths) >= 0:
        return dict(enumerate(widths))
    least = [min(width, _LEAST) for width in widths]
    found = dict(enumerate(least))
    if left(least) < 0:
        found = {}
        for at in sorted(range(len(widths)), key=lambda at: min(2 * at, 2 * (len(widths) - at) - 1)):
            # One character is for the mark of those that are left out.
            if left((*found.values(), least[at], 1)) < 0:
                break
            found[at] = least[at]
        found = dict(sorted(found.items())) or {0: max(left((0, 1)), 1)}
    for at, width in found.items():
        marked = () if len(found) == len(widths) else (1,)
        found[at] += max(min(widths[at] - width, left((*found.values(), *marked))), 0)
    return found


def _table(columns: Sequence[_ResultColumn], widths: dict[int, int], cut: bool) -> Table:
    made = Table()
    cells: list[list[Text]] = []
    for at, column in enumerate(columns):
        if at in widths:
            justify: Any = "right" if column.numeric else "left"
            made.add_column(column.name, justify=justify, width=widths[at], no_wrap=True, overflow="ellipsis")
            cells.append(column.cells)
        elif at - 1 in widths or at == 0:
            made.add_column(_CUT, width=1)
            cells.append([_CUT] * len(column.cells))
    for number, row in enumerate(zip(*cells, strict=True)):
        if cut and number == _ROWS // 2:
            made.add_row(*[_CUT] * len(cells))
        made.add_row(*row)
    return made


def _draw_lines(console: Console, columns: Sequence[_ResultColumn], rows: int, cut: bool) -> None:
    """Each row as lines of name and value, which are as long as the value is."""
    widest = max(column.name.cell_len for column in columns)
    for at in range(len(columns[0].cells)):
        number = at + 1 if not cut or at < _ROWS // 2 else rows - _ROWS + at + 1
        if cut and at == _ROWS // 2:
            console.print(_CUT)
        console.print(Text(f"─[ row {number:,} ]".ljust(widest + 20, "─"), style="dim"), soft_wrap=True)
        for column in columns:
            name = column.name.copy()
            name.pad_right(widest - name.cell_len)
            console.print(Text.assemble(name, " │ ", column.cells[at]), soft_wrap=True)


def _count(all_: int, shown: int, noun: str, remedy: str) -> str:
    few = f" ({shown:,} shown: {remedy})" if shown < all_ else ""
    return f"{all_:,} {noun}{'' if all_ == 1 else 's'}{few}"
