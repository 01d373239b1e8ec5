"""What a query may do: read the lake's own tables, as two engines run it."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import pytest

from reelhouse.errors import ConfigError, ReelhouseError, UnknownTableError
from reelhouse.marts import REGISTRY
from reelhouse.marts.example_queries import QUESTIONS
from reelhouse.serve.lake import Lake
from reelhouse.serve.queries import Query, checked_query
from tests.warehouse.landing import SAIL, LakeInTheMaking

_ROOT = Path(__file__).parent.parent.parent
_TABLES = {"movie": "tables", "fact_movie": "marts", "my_list": "imports"}


@pytest.fixture(scope="module")
def lake(three_movies: LakeInTheMaking, tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    """A copy, into which no other test writes."""
    return LakeInTheMaking(shutil.copytree(three_movies.root, tmp_path_factory.mktemp("queries") / "lake"))


# {L} stands for the lake's folder, {O} for a folder beside it.
_WRITES = (
    "insert overwrite directory '{L}/raw' using parquet select * from movie",
    "insert overwrite local directory '{L}/raw' select * from movie",
    "from movie insert overwrite directory '{L}/raw' select *",
    "with a as (select 1 as x) insert overwrite directory '{L}/raw' using csv select * from a",
    "insert into delta.`{L}/tables/movie` select * from delta.`{L}/tables/movie`",
    "explain analyze insert overwrite directory '{L}/raw' using parquet select 1",
    "delete from delta.`{L}/tables/movie`",
    "update delta.`{L}/tables/movie` set title = 'x'",
    "merge into delta.`{L}/tables/movie` as t using movie as s on true when matched then delete",
    "create table stolen using delta location '{O}/stolen' as select * from movie",
    "create or replace temporary view movie as select 1 as movie_id",
    "create external table t (a int) location '{O}/t'",
    "drop table movie",
    "truncate table movie",
    "alter table movie rename to gone",
    "cache table movie",
    "refresh table movie",
    "copy into movie from '{O}'",
    "load data inpath '{O}/x' into table movie",
    "vacuum movie",
    "select * into stolen from movie",
    "set spark.sql.shuffle.partitions=1",
    "reset",
    "use default",
    "add jar '{O}/x.jar'",
    "execute immediate 'drop table movie'",
    "call system.run()",
    "begin drop table movie; end",
    "select 1; drop table movie",
    "select 1; select 2",
    "values (1); delete from movie",
    "select transform(title) using 'touch {O}/ran' as (x) from movie",
    "map title using 'touch {O}/ran' from movie",
    "from movie map title using 'touch {O}/ran' as (x)",
)
_READS_ELSEWHERE = (
    "select * from text.`/etc/passwd`",
    "select * from `text`.`/etc/passwd`",
    "select * from TEXT . `/etc/passwd`",
    "select * from delta.`{L}/staging/movie`",
    "select * from `delta`.`{L}/tables/movie`",
    "select * from parquet.`{L}`, movie",
    "select (select max(value) from text.`/etc/passwd`) from movie",
    "with a as (select * from csv.`/etc/passwd`) select * from a",
    "select * from movie where title in (select value from text.`/etc/passwd`)",
    "select * from movie union all select * from json.`/etc/passwd`",
    "select * from movie join lateral (select * from text.`/etc/passwd`) x",
    "describe table text.`/etc/passwd`",
    "describe history movie",
    "describe table range(3)",
    "explain select * from text.`/etc/passwd`",
    "select * from spark_catalog.default.movie",
    "select * from default.movie",
    "select * from identifier('text.`/etc/passwd`')",
    "select * from identifier('mov' || 'ie')",
    "select * from read_files('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('/etc/passwd')",
    "select * from movie version as of 0",
    "select * from movie timestamp as of '2026-01-01'",
    "select reflect('java.lang.System', 'getenv', 'TMDB_TOKEN')",
    "select java_method('java.lang.System', 'getenv')",
    "select `reflect`('java.lang.System', 'getenv')",
    "select try_reflect('java.lang.System', 'getenv')",
    "select from_protobuf(x, 'M', '/etc/passwd') from movie",
    "select from_xml('<a/>', 'a int', map('rowValidationXSDPath', '/etc/passwd'))",
    "select xpath('<a/>', 'a')",
    "select my_own_function(1)",
    "select mine.abs(1)",
    "select spark_catalog.mine.abs(title) from movie",
    "select * from mine.range(3)",
    "select '${{env:TMDB_TOKEN}}'",
    "select 1 as `${{env:TMDB_TOKEN}}`",
    "select :parameter",
    "select ?",
    "select @@version",
    "show functions",
    "show columns from text.`/etc/passwd`",
    "show columns from movie in delta",
    "describe query select 1",
    "select * from a.tables.movie",
    "with movie as (select 1 as movie_id) select * from tables.movie",
    "show create table movie",
    "show tblproperties movie",
    "list jars",
)


@pytest.mark.parametrize("query", [*_WRITES, *_READS_ELSEWHERE])
def test_what_is_no_query_over_the_lake_is_refused(query: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match=r"^sql: [^\n]+$"):
        checked_query(query.format(L="/lake", O="/other"), _TABLES)
    # sqlglot warns of what it cannot parse by a logger, which prints where nobody has set up logging.
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "query",
    [
        "select 1 --\n from text.`/etc/passwd`",
        "select 1 -- \\\n from text.`/etc/passwd`",
        "select 1 /* /* */ from text.`/etc/passwd` -- */",
        "select /*+ broadcast(m) /* */ 1 from text.`/etc/passwd` -- */",
        "select 'a\\' from text.`/etc/passwd` --'",
        "select r'a\\' from text.`/etc/passwd` --'",
        "select 1 as `a``b` from text.`/etc/passwd`",
        "select '''' from text.`/etc/passwd` --'",
        "select $$a$$ from text.`/etc/passwd`",
    ],
)
def test_nothing_of_a_query_is_hidden_from_the_check(query: str) -> None:
    """Either the check sees the table, or what is left for the engine has no table either."""
    try:
        checked = checked_query(query, _TABLES)
    except ConfigError:
        return
    whole_text = "'a\\' from text.`/etc/passwd` --'"
    assert not {"--", "/*", "passwd"} & set(re.findall(r"--|/\*|passwd", checked.text.replace(whole_text, "")))


_GOOD = (
    "select count(*) as n from movie",
    "SELECT Movie_ID FROM movie AS m ORDER BY 1 DESC NULLS LAST LIMIT 2 OFFSET 1;",
    "select /*+ broadcast(g) */ m.title, g.name from movie m join movie_genre g using (movie_id) -- by genre",
    "select * from (select row_number() over (partition by title order by popularity) r from movie) where r = 1",
    "with a as (select 1 as x), b as (select x + 1 as x from a) select * from a union all select * from b order by x",
    "with movie as (select 7 as movie_id) select * from movie",
    "select a.movie_id from movie a left anti join movie b on a.movie_id = b.movie_id + 1 where exists (select 1)",
    "values (1, 'a'), (2, 'b')",
    "(select 1) union (select 2) order by 1",
    "select v.x from values (1), (2) as v(x) where v.x in (select 2)",
    "select count(*) filter (where popularity > 1), sum(popularity) / count(*), max_by(title, popularity) from movie",
    "select title from movie lateral view explode(array(1, 2)) t as n group by title having count(*) > 0",
    "select case when movie_id > 1 then 'x' else null end, cast(movie_id as string), movie_id::double, "
    "date'2026-11-20' + interval 1 day, title like 'M%', title rlike '\\\\d', `title` from movie",
    "select transform(array(1, 2), x -> x + 1), map('a', 1)['a'], named_struct('a', 1).a, array(5)[0], 'a' || 'b'",
    "select extract(year from date'2026-11-20'), substring('abc', 2, 1), trim(' x '), 7 div 2, 2.5D, 1L, r'\\d', x'1F'",
    "select '-- no comment', '/* nor here */', \"a;b\" as `a;b`",
    "select * from range(3)",
    "explain select * from movie",
    "explain formatted select title from movie where movie_id = 1",
    "describe table movie",
    "desc extended movie",
    "describe movie",
    "DESC movie",
    "describe extended tables.movie",
    "show tables",
    "show columns from movie",
    " Show Columns IN marts . fact_movie;",
    "select tables.movie.title, f.votes from tables.movie join marts.fact_movie f using (movie_id)",
    "select `Tables` . movie.* from TABLES.`movie` where tables.movie.movie_id in (select movie_id from tables.movie)",
    "explain select * from tables.movie",
    *(question.query for question in QUESTIONS),
)


@pytest.mark.parametrize("query", _GOOD)
def test_a_query_runs_as_it_is(lake: LakeInTheMaking, query: str) -> None:
    found = Lake(lake.storage, SAIL).arrow(query)
    assert found.num_columns > 0


def test_a_comment_that_the_engine_and_the_parse_see_alike_changes_nothing(lake: LakeInTheMaking) -> None:
    found = Lake(lake.storage, SAIL).arrow("select 'it''s' a, -- one\n '\\'--' b /* two\n */, 1 c; -- three")
    assert found.to_pylist() == [{"a": "its", "b": "'--", "c": 1}]


def test_every_query_of_the_documents_passes() -> None:
    texts = [path.read_text() for path in (_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md")))]
    found = [query for text in texts for query in re.findall(r"""sql(?:\(| )"\s*((?:select|with) [^"]+)\"""", text)]
    known = dict.fromkeys(REGISTRY.names | {"ratings", "links"}, "tables")
    assert len([checked_query(query, known) for query in found]) >= 6


def test_show_tables_names_all_tables_of_the_lake(lake: LakeInTheMaking) -> None:
    found = Lake(lake.storage, SAIL).arrow("show tables;").to_pylist()
    assert {row["table_name"] for row in found} == REGISTRY.only({"movie"}).names


def test_what_writes_has_written_nothing(lake: LakeInTheMaking, tmp_path: Path) -> None:
    def files() -> dict[Path, bytes]:
        found = (*lake.root.rglob("*"), *tmp_path.rglob("*"))
        return {path: path.read_bytes() for path in found if path.is_file()}

    before, opened = files(), Lake(lake.storage, SAIL)
    for query in (*_WRITES, *_READS_ELSEWHERE):
        with pytest.raises(ReelhouseError):
            opened.arrow(query.format(L=lake.root, O=tmp_path))
    assert files() == before


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("select title frm movie", "line 1, column 18, at 'movie'"),
        ("select title\nfrom movie\nwhere", "line 3, column 1, at 'where'"),
        ("select sum( from movie", "line 1, column 18, at 'movie': Expecting )"),
        ("select 'title from movie", "ends within a quote or a comment"),
        ("select /* title from movie", "ends within a quote or a comment"),
        ("select " + "(" * 3000, "nested too deeply"),
        ("select '\udce9'", "not valid UTF-8"),
        ("", "there is none"),
        ("  -- nothing\n", "there is none"),
    ],
)
def test_what_cannot_be_parsed_is_an_error_that_names_the_place(query: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_query(query, _TABLES)
    assert place in str(caught.value)
    assert "<" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("select * from movies", r"movies \(did you mean 'movie'\?\)"),
        ("select * from (with a as (select 1) select * from a), a", "a"),
        ("with a as (select * from b), b as (select 1) select * from a", "b"),
        ("with a as (select * from a) select * from a", "a"),
        ("select * from `text.``/etc/passwd```", "text"),
        ("select * from '/etc/passwd'", "/etc/passwd"),
    ],
)
def test_a_table_that_the_lake_has_not_is_not_found(query: str, name: str) -> None:
    with pytest.raises(UnknownTableError, match=f"table not found: {name}"):
        checked_query(query, _TABLES)


@pytest.mark.parametrize(
    ("name", "needs"),
    [("poster_url", "configuration"), ("tv_cast", "tv"), ("fact_tv", "tv"), ("dim_network", "tv"), ("job", "job")],
)
def test_a_table_of_what_is_not_collected_says_what_to_collect(name: str, needs: str) -> None:
    known = {"movie": "tables", "movie_cast": "tables", "dim_movie": "marts"}
    with pytest.raises(UnknownTableError) as caught:
        checked_query(f"select * from {name}", known)
    assert f"{name}: {needs} is not collected here; `reelhouse sync --entity {needs}` collects" in str(caught.value)


def test_a_common_table_expression_is_seen_where_it_is_in_scope() -> None:
    nested = "with a as (select 1 x) select (with b as (select * from a) select max(x) from b) from a"
    recursive = "with recursive n as (select 1 x union all select x + 1 from n where x < 3) select * from n, MOVIE"
    assert checked_query(nested, _TABLES).tables == frozenset()
    assert checked_query(recursive, _TABLES).tables == {"movie"}


def test_a_zone_before_a_table_is_taken_out_of_the_query_and_nothing_else_is() -> None:
    query = (
        "select 'tables.movie', tables.x, tables.movie.title as `tables.y` from tables.movie, (select 1 as x) tables"
    )
    shorn = "select 'tables.movie', tables.x, movie.title as `tables.y` from movie, (select 1 as x) tables"
    assert checked_query(query, _TABLES) == Query(shorn, frozenset({"movie"}))
    # A column of a row value: no table is named so.
    struct = "select tables.movie.title from (select named_struct('title', 1) as movie) tables"
    assert checked_query(struct, _TABLES) == Query(struct, frozenset())


def test_columns_of_a_table_are_shown_by_each_of_the_usual_ways(lake: LakeInTheMaking) -> None:
    opened = Lake(lake.storage, SAIL)
    wanted = opened.table("movie").columns
    for query in ("describe movie", "desc tables.movie", "show columns from movie", "show columns in movie"):
        assert [row["col_name"] for row in opened.arrow(query).to_pylist()] == wanted


def test_described_columns_say_what_the_dictionary_says(lake: LakeInTheMaking) -> None:
    opened = Lake(lake.storage, SAIL)
    for query in ("describe movie", "desc extended tables.movie", "show columns from movie"):
        rows = {row["col_name"]: row for row in opened.arrow(query).to_pylist()}
        assert rows["runtime"] == {
            "col_name": "runtime",
            "data_type": "bigint",
            "comment": "Length; NULL where TMDB has 0. Unit: minutes.",
        }
        assert [row["col_name"] for row in rows.values() if row["comment"] is None] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select titel from movie", "column not found: titel (did you mean 'title'?); movie has: movie_id, imdb_id, "),
        ("select m.titel from movie m", "column not found: titel (did you mean 'title'?); movie has: "),
        ("select title from movie where revenu > 1", "column not found: revenu (did you mean 'revenue'?); movie has: "),
        ("select qqq from movie join movie_genre using (movie_id)", "column not found: qqq; movie has: "),
        ("select qqq from movie join movie_genre using (movie_id)", "; movie_genre has: movie_id, "),
        ("select qqq", "column not found: qqq"),
        (
            "select g.movie_id, count(*) from movie m join movie_genre g using (movie_id) group by g.movie_id",
            "column not found here: g.movie_id; movie and movie_genre have movie_id; where USING joins tables, write "
            "movie_id without its table",
        ),
        (
            "select title from (select movie_id from movie) x",
            "column not found here: title; movie has title",
        ),
        (
            "select movie_id from movie join movie_genre on movie.movie_id = movie_genre.movie_id",
            "ambiguous column: movie_id; movie and movie_genre have it: write the table (or its alias) and a dot",
        ),
        ("select title from movie a cross join movie b", "ambiguous column: title; movie has it: write the table"),
        (
            "select * from marts.movie",
            "table not found: marts.movie (did you mean 'tables.movie'?); `reelhouse tables`",
        ),
        (
            "select title, count(*) from movie group by movie_id",
            "neither in GROUP BY nor in an aggregate such as",
        ),
        ("select movie_id, max(title) from movie group by 1 order by title", "neither in GROUP BY nor in an aggregate"),
        ("select title from movie where count(*) > 1", "aggregates belong in HAVING, not WHERE. The engine says: "),
        ("selct title from movie", "not SELCT (did you mean 'SELECT'?); "),
        ("delete from movie", "sql: DELETE is refused: queries only read; `reelhouse purge` deletes; "),
        ("select title from movie where", "line 1, column 25, at 'where': something is missing after it"),
        ("select title fro movie", "line 1, column 18, at 'movie': this is not expected here"),
        ("describe marts.fact_movies", "table not found: marts.fact_movies (did you mean 'marts.fact_movie'?); "),
        ("select * from movies", "table not found: movies (did you mean 'movie'?); `reelhouse tables` lists all"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_how_to_see_all(
    lake: LakeInTheMaking, query: str, says: str
) -> None:
    with pytest.raises(ReelhouseError) as caught:
        Lake(lake.storage, SAIL).arrow(query)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
