"""Paths of declarations: what they mean, what shape they imply, and which are refused."""

from __future__ import annotations

import pytest

from reelhouse.entities.paths import Level, MapOf, Shape, Tree, ValuePath, full_path, levels_of, place_of


@pytest.mark.parametrize(
    ("rows", "levels"),
    [
        ("", ()),
        ("a[]", (Level(("a",)),)),
        ("a.b[]", (Level(("a", "b")),)),
        ("a[].b.c[]", (Level(("a",)), Level(("b", "c")))),
        ("a.{x}", (Level(("a",), "x"),)),
        ("a.{x}.{y}[]", (Level(("a",), "x"), Level((), "y"), Level(()))),
        ("a.{x=b,c}s[]", (Level(("a",), "x", (("bs", "b"), ("cs", "c"))), Level(()))),
        ("watch/providers.results[]", (Level(("watch/providers", "results")),)),
    ],
)
def test_rows_are_reached_level_by_level(rows: str, levels: tuple[Level, ...]) -> None:
    assert levels_of(rows) == levels


@pytest.mark.parametrize("rows", ["a", "a[].b", "a{x}", "a[]]", "{x", "a.[x]", "{x}.b"])
def test_what_no_rows_can_be_made_of_is_refused(rows: str) -> None:
    with pytest.raises(ValueError, match="rows"):
        levels_of(rows)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (".", ValuePath(())),
        ("a.b", ValuePath(("a", "b"))),
        ("^a", ValuePath(("a",), around=True)),
        ("a[]", ValuePath(("a",), joined=True)),
    ],
)
def test_a_column_is_at_a_place(path: str, place: ValuePath) -> None:
    assert place_of(path) == place


@pytest.mark.parametrize(
    ("rows", "column", "path", "full"),
    [
        ("", "a", "a.b", "a.b"),
        ("a[]", "x", ".", "a[]"),
        ("a.b[]", "x", "c", "a.b[].c"),
        ("a[].b[]", "x", "^c", "a[].c"),
        ("a[]", "x", "^c", "c"),
        ("a.{x}.{y}[]", "z", "^c", "a.{x}.c"),
        ("a.{x}.{y}[]", "y", "", "a.{x}.{y}"),
        ("a.{x=b,c}s[]", "z", "d", "a.{x=b,c}s[].d"),
    ],
)
def test_a_path_is_shown_from_the_whole_answer(rows: str, column: str, path: str, full: str) -> None:
    assert full_path(rows, column, path) == full


@pytest.mark.parametrize(("rows", "path"), [("", "^a"), ("[]", "^a"), ("a[]", ""), ("a.{y}", "")])
def test_a_path_that_means_nothing_is_refused(rows: str, path: str) -> None:
    with pytest.raises(ValueError, match=r"`\^` means|column x has no path"):
        full_path(rows, "x", path)


def _shape(*columns: tuple[str, str, str]) -> Shape:
    tree = Tree()
    for rows, path, kind in columns:
        tree.grow(levels_of(rows), place_of(path), kind)
    return tree.shape()


def test_columns_imply_the_shape_of_an_answer() -> None:
    assert _shape(
        ("", "title", "string"),
        ("", "set.id", "bigint"),
        ("codes[]", ".", "string"),
        ("outer[].inner[]", "^of", "string"),
        ("outer[].inner[]", "at", "timestamp"),
        ("outer[].inner[]", "at", "date"),
        ("outer[].inner[]", "words[]", "string"),
        ("ids.{site}", ".", "string"),
        ("by.{country}.{kind}[]", "^link", "string"),
        ("by.{country}.{kind}[]", "id", "bigint"),
        ("pictures.{kind=front,back}s[]", "width", "bigint"),
    ) == {
        "title": "string",
        "set": {"id": "bigint"},
        "codes": ["string"],
        "outer": [{"of": "string", "inner": [{"at": "timestamp", "words": ["string"]}]}],
        "ids": MapOf("string"),
        "by": MapOf(MapOf([{"id": "bigint"}], ("link",))),
        "pictures": {"fronts": [{"width": "bigint"}], "backs": [{"width": "bigint"}]},
    }


@pytest.mark.parametrize(
    "columns",
    [
        [("", "a", "string"), ("", "a", "bigint")],
        [("", "a", "string"), ("", "a.b", "string")],
        [("", "a.b", "string"), ("a[]", ".", "string")],
        [("", "a", "text")],
        [("a.{x}", ".", "string"), ("", "a.b", "bigint")],
    ],
)
def test_columns_that_contradict_one_another_are_refused(columns: list[tuple[str, str, str]]) -> None:
    with pytest.raises(ValueError, match=r"\$\.a"):
        _shape(*columns)
