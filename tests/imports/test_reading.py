"""Imported tables beside TMDB's: in SQL, at a Python prompt, in the dictionary, in a folder and in a bucket."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from reelhouse.engines.session import session_factory
from reelhouse.errors import LakeError, ReelhouseError
from reelhouse.serve.dictionary import describe
from reelhouse.serve.lake import Lake
from reelhouse.storage.opening import S3Options
from reelhouse.storage.s3 import S3Storage
from tests import s3servers
from tests.imports.conftest import Importer
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie

# MovieLens' own form, byte for byte: no quotes but where commas are, a last column that may be empty.
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,4.5,964981247\n2,1,0.5,964982224\n"
LINKS = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,8844\n3,0113228,\n"
MOVIES = (
    "movieId,title,genres\n"
    "1,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy\n"
    '11,"American President, The (1995)",Comedy|Drama|Romance\n'
    '29,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Adventure|Drama\n'
)
TAGS = 'userId,movieId,tag,timestamp\n2,60756,funny,1445714994\n2,1,"Pixar, ""best""",1445714996\n'

ASKED = """
select m.title, l.imdbId, round(avg(r.rating), 2) as rating, count(*) as ratings
from ratings r join links l on l.movieId = r.movieId join movie m on m.movie_id = l.tmdbId
group by m.title, l.imdbId
"""


@pytest.mark.long
def test_movielens_ratings_and_links_join_tmdbs_movies_as_they_are(lake: Importer) -> None:
    assert lake.types("ratings", lake.file("ratings.csv", RATINGS)) == {
        "userId": "bigint",
        "movieId": "bigint",
        "rating": "double",
        "timestamp": "bigint",
    }
    assert lake.types("links", lake.file("links.csv", LINKS)) == {
        "movieId": "bigint",
        "imdbId": "string",
        "tmdbId": "bigint",
    }
    lake.bring("movies", lake.file("movies.csv", MOVIES))
    lake.bring("tags", lake.file("tags.csv", TAGS))
    assert [row["title"] for row in lake.rows("movies")][1:] == [
        "American President, The (1995)",
        "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
    ]
    assert {row["tag"] for row in lake.rows("tags")} == {"funny", 'Pixar, "best"'}

    made = LakeInTheMaking(lake.root, registry=FEW)
    made.land(a_movie(862, title="Toy Story", imdb_id="tt0114709"), a_movie(8844), export=[862, 8844])
    made.build()
    found = Lake(lake.storage, SAIL)
    rows = [{"title": "Toy Story", "imdbId": "0114709", "rating": 2.25, "ratings": 2}]
    assert found.arrow(ASKED).to_pylist() == rows
    by_imdb = "select m.movie_id from links l join movie m on m.imdb_id = 'tt' || l.imdbId"
    assert found.arrow(by_imdb).to_pylist() == [{"movie_id": 862}]
    assert {name: found.tables()[name] for name in ("ratings", "links", "movie")} == {
        "ratings": 3,
        "links": 3,
        "movie": 2,
    }
    # The next build leaves them alone.
    made.land(a_movie(1), export=[1, 862, 8844], day="2026-11-21")
    made.build()
    assert found.arrow(ASKED).to_pylist() == rows


def test_every_type_is_read_by_the_engine_as_it_was_imported(lake: Importer) -> None:
    path = lake.parquet(
        "t.parquet",
        whole=[1, None],
        real=[0.5, None],
        money=[Decimal("1.50"), None],
        yes=[True, None],
        day=[date(1995, 12, 22), None],
        at=[datetime(2026, 11, 23, 8, 0, 0, 123456, UTC), None],
        text=["é", None],
    )
    lake.bring("t", path)
    found = Lake(lake.storage, SAIL).arrow("select * from t order by whole nulls last")
    assert found.to_pylist() == [
        {
            "whole": 1,
            "real": 0.5,
            "money": Decimal("1.50"),
            "yes": True,
            "day": date(1995, 12, 22),
            "at": datetime(2026, 11, 23, 8, 0, 0, 123456, UTC),
            "text": "é",
        },
        dict.fromkeys(("whole", "real", "money", "yes", "day", "at", "text")),
    ]
    assert dict(Lake(lake.storage, SAIL).table("t").dtypes) == {
        "whole": "bigint",
        "real": "double",
        "money": "decimal(3,2)",
        "yes": "boolean",
        "day": "date",
        "at": "timestamp",
        "text": "string",
    }


def test_an_open_lake_sees_what_is_imported_replaced_and_dropped(lake: Importer) -> None:
    found = Lake(lake.storage, session_factory("sail"))
    with pytest.raises(LakeError, match="nothing is built in this lake yet"):
        found.sql("select 1 from t")
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    assert found.arrow("select * from t").to_pylist() == [{"a": 1}]
    lake.bring("t", lake.file("b.csv", "b\nx\n"), "--new-schema")
    assert found.arrow("select * from t").to_pylist() == [{"b": "x"}]
    assert found.table("t").toArrow().to_pylist() == [{"b": "x"}]
    lake.bring("u", lake.file("a.csv", "a\n1\n"))
    lake.bring("t", "--drop")
    with pytest.raises(ReelhouseError, match="not found: t"):
        found.sql("select * from t")
    lake.bring("t", lake.file("c.csv", "c\n7\n"))
    assert found.arrow("select * from t").to_pylist() == [{"c": 7}]
    with pytest.raises(ReelhouseError, match="nothing is built in this lake yet: run `reelhouse build`"):
        found.sql("select * from movie")
    with pytest.raises(LakeError, match=r"there is no table 'tt' \(did you mean 't'\?\)"):
        found.table("tt")


def test_the_dictionary_tells_of_imports(lake: Importer) -> None:
    lake.bring("box", lake.file("box.csv", "id,Box Office\n1,2.5\n"))
    (box,) = [one for one in describe(lake.storage, None)["tables"] if one["zone"] == "imports"]
    assert box == {"name": "box", "zone": "imports", "rows": 1, "comment": "Imported from box.csv."}
    described = describe(lake.storage, "box")
    columns: list[dict[str, Any]] = described["columns"]
    assert [(one["name"], one["type"], one["comment"]) for one in columns] == [
        ("id", "bigint", ""),
        ("Box_Office", "double", "There it is called Box Office."),
    ]
    done = lake.run("box", command="tables")
    assert "Box_Office" in done.output


def test_a_lake_in_a_bucket_takes_imports_too(lake: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    place = f"s3://{s3servers.fresh_bucket(server)}/lakes/one"
    storage = S3Storage(place, S3Options())
    arguments = ("links", lake.file("links.csv", LINKS), "--json")
    for done in (True, False):
        ended = lake.run(place, "import", *arguments, command="--lake")
        assert (ended.exit_code, f'"imported":{str(done).lower()}' in ended.stdout) == (0, True), ended.output
    found = Lake(storage, session_factory("sail", storage.access()))
    assert found.arrow("select * from links where tmdbId is null").to_pylist() == [
        {"movieId": 3, "imdbId": "0113228", "tmdbId": None}
    ]
    lake.file("links.csv", LINKS + "4,0114885,31357\n")
    assert lake.run(place, "import", *arguments, command="--lake").exit_code == 0
    assert found.tables() == {"links": 4}
    assert lake.run(place, "import", "links", "--drop", command="--lake").exit_code == 0
    assert list(storage.list_all_versions("imports/links/")) == []
