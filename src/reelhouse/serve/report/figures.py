"""Figures of a report: rows, the query they come from, and the chart that shows them, as Vega-Lite.

Colours are variables of the page's style sheet, so that one chart fits light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reelhouse.marts.example_queries import Question

if TYPE_CHECKING:
    import altair as alt

_COLORS = [f"var(--c{number})" for number in range(10)]
_BAR = 24
_LABEL = 170
# A pair of names takes two lines, and its bar the room for them.
_TWO_LINED, _LONG = 34, 24
_TWO_LINES = rf"length(datum.label) > {_LONG} ? split(replace(datum.label, ' and ', ' and\n'), '\n') : datum.label"


@dataclass(frozen=True)
class Figure:
    """One figure: *rows* of *columns*, the *sql* that gives them (empty where none does), and a chart or None.

    *wide* figures take the whole width of the page.
    """

    name: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    sql: str = ""
    chart: dict[str, Any] | None = None
    wide: bool = False

    @property
    def summary(self) -> str:
        """What a person who does not see the chart reads instead; the table behind it has everything."""
        first = ", ".join(f"{name} {value}" for name, value in zip(self.columns, self.rows[0], strict=True))
        return f"Chart: {self.title}. {self.about} {len(self.rows):,} rows; the first: {first}."


def asked(question: Question, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Figure:
    """The figure of a *question*'s answer."""
    cells, names = tuple(tuple(map(_plain, row)) for row in rows), tuple(columns)
    chart, wide = _chart(question, columns, cells) if cells else None, bool(question.color)
    return Figure(question.name, question.title, question.about, names, cells, question.query, chart, wide)


def waterfall(name: str, title: str, about: str, steps: Sequence[tuple[str, int, str]]) -> Figure:
    """Steps from one total to another: a name, how many, and whether it is a total, or so many more or fewer."""
    level, shown = 0, []
    for step, count, kind in steps:
        begin = 0 if kind == "total" else level
        level = count if kind == "total" else level + (count if kind == "more" else -count)
        shown.append({"step": step, "from": begin, "to": level, "count": count, "kind": kind})
    import altair as alt

    colors = alt.Scale(domain=["total", "more", "fewer"], range=["var(--accent)", "var(--c1)", "var(--c5)"])
    chart = (
        _based(shown)
        .mark_bar(height=_BAR * 2 // 3)
        .encode(
            x=alt.X("from:Q", title="ids"),
            x2="to:Q",
            y=alt.Y("step:N", sort=None, title=None),
            color=alt.Color("kind:N", scale=colors, legend=None),
            tooltip=_tooltip(shown),
        )
    )
    rows = tuple((step, count) for step, count, _ in steps)
    return Figure(name, title, about, ("step", "ids"), rows, chart=_finished(chart, len(steps) * _BAR))


def bars(name: str, title: str, about: str, columns: tuple[str, str], rows: Sequence[tuple[str, float]]) -> Figure:
    """Shares of 1 by name."""
    question = Question(
        name, title, "", "", about, "bar", columns[1], columns[0], labels=(columns[1], ""), percent=True
    )
    return asked(question, columns, rows)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def _chart(question: Question, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    values = [dict(zip(columns, row, strict=True)) for row in rows]
    if question.mark == "line" and question.color and len({value[question.x] for value in values}) == 1:
        # Lines of one point each say less than bars.
        return _bar(values, question, question.y, question.color)
    if question.mark == "bar":
        return _bar(values, question, question.x, question.y)
    return {"column": _column, "dot": _dot, "line": _line, "heat": _heat}[question.mark](values, question)


def _bar(values: list[dict[str, Any]], question: Question, x: str, y: str) -> dict[str, Any]:
    import altair as alt

    label = question.labels[0] if x == question.x else question.labels[1]
    chart = (
        _based(values)
        .mark_bar(color="var(--accent)", height=_BAR * 2 // 3, cornerRadiusEnd=2)
        .encode(
            x=alt.X(f"{x}:Q", title=label, axis=_axis(question, values)),
            y=alt.Y(f"{y}:N", sort=None, title=None, axis=alt.Axis(labelExpr=_TWO_LINES, labelLineHeight=11)),
            tooltip=_tooltip(values),
        )
    )
    names = {value[y] for value in values}
    room = _TWO_LINED if any(len(str(name)) > _LONG for name in names) else _BAR
    return _finished(chart, max(3, len(names)) * room)


def _dot(values: list[dict[str, Any]], question: Question) -> dict[str, Any]:
    """For scores, whose differences bars from 0 would hide."""
    import altair as alt

    scale = alt.Scale(zero=False)
    chart = (
        _based(values)
        .mark_circle(color="var(--accent)", size=90, opacity=1)
        .encode(
            x=alt.X(f"{question.x}:Q", title=question.labels[0], axis=_axis(question, values), scale=scale),
            y=alt.Y(f"{question.y}:N", sort=None, title=None, axis=alt.Axis(grid=True)),
            tooltip=_tooltip(values),
        )
    )
    return _finished(chart, max(3, len(values)) * _BAR)


def _column(values: list[dict[str, Any]], question: Question) -> dict[str, Any]:
    import altair as alt

    angle = -45 if any(len(str(value[question.x])) > 4 for value in values) else 0
    narrow: Any = {"size": 60} if len(values) < 4 else {}
    chart = (
        _based(values)
        .mark_bar(color="var(--accent)", cornerRadiusEnd=2, **narrow)
        .encode(
            x=alt.X(f"{question.x}:O", sort=None, title=question.labels[0] or None, axis=alt.Axis(labelAngle=angle)),
            y=alt.Y(f"{question.y}:Q", title=question.labels[1], axis=_axis(question, values)),
            tooltip=_tooltip(values),
        )
    )
    return _finished(chart, 260)


def _line(values: list[dict[str, Any]], question: Question) -> dict[str, Any]:
    import altair as alt

    numbers = isinstance(values[0][question.x], int)
    axis = (
        alt.Axis(format="d", tickMinStep=1, labelOverlap=True, labelSeparation=8)
        if numbers
        else alt.Axis(labelAngle=-45)
    )
    scale = alt.Scale(zero=False, nice=False) if numbers else alt.Undefined
    shown: dict[str, Any] = {
        "x": alt.X(f"{question.x}:{'Q' if numbers else 'O'}", title=question.labels[0], axis=axis, scale=scale),
        "y": alt.Y(f"{question.y}:Q", title=question.labels[1], axis=_axis(question, values), scale=_scale(question)),
        "tooltip": _tooltip(values),
    }
    if question.color:
        legend = alt.Legend(orient="bottom", columns=2, labelLimit=_LABEL, title=None, symbolLimit=20)
        names = list(dict.fromkeys(value[question.color] for value in values))
        colors = alt.Scale(domain=names, range=_COLORS[: len(names)])
        shown["color"] = alt.Color(f"{question.color}:N", scale=colors, legend=legend)
    plain: Any = {} if question.color else {"color": "var(--accent)"}
    points = alt.OverlayMarkDef(size=26 if len(values) < 60 else 10, opacity=1, **plain)
    return _finished(_based(values).mark_line(point=points, strokeJoin="round", **plain).encode(**shown), 260)


def _scale(question: Question) -> Any:
    """From 0, except for scores, which are close to each other."""
    import altair as alt

    return alt.Scale(zero=False) if question.y == "weighted_rating" else alt.Undefined


def _heat(values: list[dict[str, Any]], question: Question) -> dict[str, Any]:
    import altair as alt

    # By opacity, since a colour of the style sheet cannot be mixed with another one here.
    strength = alt.Opacity(f"{question.value}:Q", scale=alt.Scale(range=[0.08, 1]), legend=None)
    chart = (
        _based(values)
        .mark_rect(color="var(--accent)")
        .encode(
            x=alt.X(f"{question.x}:N", title=question.labels[0], axis=alt.Axis(labelAngle=0)),
            y=alt.Y(f"{question.y}:N", sort=None, title=None),
            opacity=strength,
            tooltip=_tooltip(values),
        )
    )
    return _finished(chart, max(3, len({value[question.y] for value in values})) * _BAR)


def _tooltip(values: list[dict[str, Any]]) -> list[alt.Tooltip]:
    """Everything that is known of what a person points at."""
    import altair as alt

    return [
        alt.Tooltip(f"{name}:{'Q' if isinstance(value, int | float) else 'N'}", title=name.replace("_", " "))
        for name, value in values[0].items()
    ]


def _axis(question: Question, values: list[dict[str, Any]]) -> alt.Axis:
    import altair as alt

    large = any(isinstance(value, int | float) and value >= 10_000 for row in values for value in row.values())
    return alt.Axis(format="%" if question.percent else "~s" if large else ",~r", tickCount=5)


def _based(values: list[dict[str, Any]]) -> alt.Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=values))


def _finished(chart: Any, height: int) -> dict[str, Any]:
    """A chart as wide as its place, in the page's colours and font."""
    text = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 12, "titleFontSize": 12}
    made = (
        chart.properties(width="container", height=height, background="transparent")
        .configure(font="system-ui, sans-serif", autosize={"type": "fit-x", "contains": "padding"})
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="var(--line)",
            domainColor="var(--line)",
            tickColor="var(--line)",
            labelLimit=_LABEL,
            titleFontWeight="normal",
            **text,
        )
        .configure_legend(**text)
        .to_dict(validate=False)
    )
    # The page says what a chart shows, in one sentence; every mark would say it again.
    made["config"]["aria"] = False
    found: dict[str, Any] = made
    return found
