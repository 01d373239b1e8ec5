"""`import reelhouse`: its public names, the functions that do what commands do, and a lake in Python."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import pickle
import re
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import duckdb
import pytest

import reelhouse
from reelhouse.emulator import Emulator
from reelhouse.engines.session import release
from reelhouse.serve.lake import Lake
from tests.runs.lakes import TOKEN
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie, gone

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=120, seed=3, process=True) as tmdb:
        yield tmdb


@pytest.fixture
def settings(tmdb: Emulator) -> dict[str, Any]:
    return {"tmdb_url": tmdb.url, "exports_url": tmdb.exports_url, "token": TOKEN, "rate": 0.0, "retry_wait": 0.01}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    made = LakeInTheMaking(tmp_path_factory.mktemp("api") / "lake <b>")
    made.land(a_movie(1), a_movie(2), export=[1, 2])
    made.build()
    return made


def test_every_public_name_is_there_and_described() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    for name in reelhouse.__all__:
        assert getattr(reelhouse, name) is not None
        assert name == "__version__" or f"`{name}" in page or f"reelhouse.{name}" in page, name
    assert set(reelhouse.__all__) <= set(dir(reelhouse))
    with pytest.raises(AttributeError, match="Sync"):
        _ = reelhouse.Sync


def test_importing_reelhouse_loads_nothing_else_of_it() -> None:
    program = "import sys, reelhouse; print([name for name in sys.modules if name.startswith('reelhouse.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_functions_keep_their_names_beside_folders_of_the_same_name() -> None:
    program = (
        "import reelhouse, reelhouse.collect.run, inspect\n"
        "from reelhouse import collect\n"
        "print(inspect.isfunction(reelhouse.collect), collect is reelhouse.collect)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


@pytest.mark.long
def test_sync_collects_builds_and_verifies(tmp_path: Path, settings: dict[str, Any]) -> None:
    place = tmp_path / "lake"
    done = reelhouse.sync(place, top=5, settings=settings)
    assert done.ok
    assert done.issues == []
    assert (done.collect.runs[0].requested, done.build.rows["movie"], done.verify.complete) == (5, 5, True)
    assert json.loads(json.dumps(done.to_dict(), default=str))["build"]["rows"]["movie"] == 5

    assert not reelhouse.build(place).done
    assert reelhouse.verify(place, deep=True).clean
    assert reelhouse.purge(place, everything=True).gone


def test_what_is_built_is_verified_exported_and_seen(built: LakeInTheMaking, tmp_path: Path) -> None:
    assert not reelhouse.build(built.root).done
    assert [(one.entity, one.landed) for one in reelhouse.status(built.root).entities] == [("movie", 2)]
    assert reelhouse.verify(built.root).clean
    exported = reelhouse.export(built.root, to=f"csv:{tmp_path / 'csv'}", tables=["movie"])
    assert [(one.name, one.rows) for one in exported.tables] == [("movie", 2)]
    assert exported.to_dict()["tables"][0]["name"] == "movie"
    assert (exported.ok, list(exported.issues)) == (True, [])
    assert reelhouse.export(built.root, to=tmp_path / "films.duckdb", tables=["movie"]).ok
    seen = reelhouse.purge(built.root, everything=True, dry_run=True)
    assert (seen.dry_run, seen.answers, seen.gone) == (True, 2, False)
    assert reelhouse.purge(built.root, older_than="1d", as_of=date(2020, 1, 1), dry_run=True).answers == 0


def test_a_lake_is_compared_and_maintained(tmp_path: Path, settings: dict[str, Any]) -> None:
    reelhouse.collect(tmp_path, max_requests=3, settings=settings, check=False)
    with pytest.raises(reelhouse.IncompleteError) as raised:
        reelhouse.diff(tmp_path, entities=["movie"], settings=settings)
    found = raised.value.result
    assert isinstance(found, reelhouse.DiffResult)
    (movies,) = found.compared
    assert found.issues == [f"movie: {movies.missing:,} ids are missing"]
    assert found.to_dict()["entities"]["movie"]["ids"]["missing"] == found.ids["movie", "missing"]
    assert len(found.ids["movie", "missing"]) == min(movies.missing, 1000)
    done = reelhouse.maintain(tmp_path, dry_run=True)
    assert (done.ok, done.to_dict()["too_old"]) == (True, {"answers": 0, "exports": 0})
    with pytest.raises(reelhouse.ConfigError, match="keep_days: a whole number, 1 or more, is expected, not 0"):
        reelhouse.maintain(tmp_path, keep_days=0)


def test_ids_are_given_as_numbers_or_as_a_file(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert reelhouse.collect(tmp_path / "a", ids=[2, 3], settings=settings).runs[0].requested == 2
    (tmp_path / "ids.csv").write_text("tmdbId\n2\n3\n4\n")
    done = reelhouse.collect(tmp_path / "b", ids=tmp_path / "ids.csv", settings=settings)
    assert done.runs[0].requested == 3
    assert done.to_dict()["list"]["ids"] == 3


def test_a_result_that_is_not_complete_raises_with_it(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(reelhouse.IncompleteError, match=r"run 1 \(movie\) is not complete: .*pending") as failed:
        reelhouse.collect(tmp_path, max_requests=3, settings=settings)
    assert failed.value.result.runs[0].pending > 0
    assert str(pickle.loads(pickle.dumps(failed.value))) == str(failed.value)
    assert not reelhouse.collect(tmp_path, max_requests=3, check=False, settings=settings).ok
    with pytest.raises(reelhouse.IncompleteError, match="ids are pending"):
        reelhouse.verify(tmp_path)
    assert reelhouse.status(tmp_path).open[0].pending > 0
    with pytest.raises(reelhouse.ConfigError, match="abandon=True"):
        reelhouse.collect(tmp_path, top=2, settings=settings)
    assert reelhouse.collect(tmp_path, top=2, abandon=True, check=False, settings=settings).runs[-1].run == 2


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda lake: reelhouse.status(lake / "nowhere"), "there is no lake at"),
        (lambda lake: reelhouse.collect(lake, ids=603), "ids: a list of ids is expected"),  # type: ignore[arg-type]
        (lambda lake: reelhouse.open(lake / "nowhere"), "there is no lake at"),
        (lambda lake: reelhouse.collect(lake, settings={"ratte": 1.0}), "ratte: no such setting.*'rate'"),
        (
            lambda lake: reelhouse.collect(lake, settings={"rate": -1.0}),
            "rate: 0, or 0.001 or more .* correct it in the call$",
        ),
        (lambda lake: reelhouse.collect(lake, top=-5), "top: 1 or more is expected, not -5; correct it in the call$"),
        (lambda lake: reelhouse.status(""), "lake: .* not an empty text; correct it in the call$"),
        (
            lambda lake: reelhouse.collect(lake, settings={"rate": "1"}),
            "rate: a number is expected, not '1'; correct it in the call",
        ),
        (lambda lake: reelhouse.collect(lake, settings={"entity": {}}), "entity: no such setting"),
        (lambda lake: reelhouse.collect(lake, entities="tv"), "a list of names is expected"),
        (lambda lake: reelhouse.collect(lake, entities=["movies"]), "'movies' is not collected"),
        (lambda lake: reelhouse.collect(lake, ids="603"), "a list of ids is expected"),
        (lambda lake: reelhouse.collect(lake, ids=[]), "no ids"),
        (lambda lake: reelhouse.collect(lake, ids=["x"]), "x"),
        (lambda lake: reelhouse.collect(lake, ids=[1], top=3), "top: ids already"),
        (lambda lake: reelhouse.collect(lake, ids=lake / "none.csv"), "cannot be read"),
        (lambda lake: reelhouse.collect(lake, top=0), "top: 1 or more"),
        (lambda lake: reelhouse.purge(lake), "give one of"),
        (lambda lake: reelhouse.purge(lake, older_than=180), "180 is not an age: .*180d"),  # type: ignore[arg-type]
        (lambda lake: reelhouse.maintain(lake, keep_days=1.5), "a whole number"),  # type: ignore[arg-type]
        (lambda lake: reelhouse.export(lake, to="csv:x", tables="movie"), "a list of names is expected"),
    ],
)
def test_what_a_caller_must_correct_is_a_config_error(call: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(reelhouse.ConfigError, match=text):
        call(tmp_path)


def test_a_refused_token_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    refused = {"tmdb_url": "http://127.0.0.1:9/3", "token": ""}
    with pytest.raises(reelhouse.ConfigError, match="token is missing"):
        reelhouse.collect(tmp_path, settings=refused)


def test_status_names_no_entity_that_nobody_selected(tmp_path: Path, settings: dict[str, Any]) -> None:
    reelhouse.collect(tmp_path, entities=["job"], settings=settings)
    assert reelhouse.status(tmp_path).not_begun == ()
    assert reelhouse.status(tmp_path, settings={"entities": ["job", "movie"]}).not_begun == ("movie",)
    ranked = reelhouse.status(tmp_path, settings={"entities": ["job", "movie", "keyword"], "top": 5})
    assert ranked.notes == ("top does not apply: TMDB's export of keywords has no popularity, so all are taken",)


def test_a_notebook_that_runs_a_loop_can_collect(tmp_path: Path, settings: dict[str, Any]) -> None:
    async def cell() -> reelhouse.CollectResult:
        return reelhouse.collect(tmp_path, top=3, settings=settings)

    assert asyncio.run(cell()).ok

    async def compared() -> reelhouse.DiffResult:
        return reelhouse.diff(tmp_path, settings=settings)

    assert asyncio.run(compared()).compared


def test_ctrl_c_in_a_notebook_lands_what_came_and_leaves_the_run_open(tmp_path: Path, settings: dict[str, Any]) -> None:
    program = (
        "import asyncio, json, os, pathlib, reelhouse, signal, sys, threading, time\n"
        "place, settings = sys.argv[1], json.loads(sys.argv[2])\n"
        "def interrupt():\n"
        "    while not [*pathlib.Path(place).rglob('plan.json')]: time.sleep(0.02)\n"
        "    time.sleep(0.4)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "async def cell():\n"
        "    threading.Thread(target=interrupt).start()\n"
        "    return reelhouse.collect(place, check=False, settings=settings)\n"
        "loop = asyncio.new_event_loop()\n"
        "print(loop.run_until_complete(cell()).runs[0].reason)"
    )
    slow = json.dumps({**settings, "rate": 8.0})
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), slow], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("stopped by SIGINT\n", "")
    assert 0 < reelhouse.status(tmp_path).open[0].pending < 120


def test_threads_may_ask_an_open_lake_their_first_queries_at_once(built: LakeInTheMaking) -> None:
    def ask(lake: Lake) -> int:
        return int(lake.arrow("select count(*) as n from movie").to_pylist()[0]["n"])

    for _ in range(3):
        with reelhouse.open(built.root) as lake, ThreadPoolExecutor(6) as threads:
            assert len(set(threads.map(ask, [lake] * 12))) == 1


def test_a_thread_can_collect_and_ask(tmp_path: Path, settings: dict[str, Any], built: LakeInTheMaking) -> None:
    found: list[Any] = []

    def work() -> None:
        found.append(reelhouse.collect(tmp_path, top=3, settings=settings).ok)
        found.append(Lake(built.storage, SAIL).arrow("select count(*) n from movie").to_pylist())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True, [{"n": 2}]]


def test_the_callers_own_handlers_of_signals_are_there_again(tmp_path: Path, settings: dict[str, Any]) -> None:
    def own(number: int, frame: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, own)
    try:
        reelhouse.collect(tmp_path, top=2, settings=settings)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_lake_says_what_it_holds(built: LakeInTheMaking, tmp_path: Path) -> None:
    lake = Lake(built.storage, SAIL)
    assert repr(lake) == f"<reelhouse lake {str(built.root)!r}: {lake._summary()}>"
    assert f"{len(lake.tables())} tables" in repr(lake)
    shown = lake._repr_html_()
    assert "<td>movie</td>" in shown
    assert "lake &lt;b&gt;" in shown
    assert "lake <b>" not in shown
    empty = Lake(LakeInTheMaking(tmp_path / "empty").storage, SAIL)
    assert "reelhouse build" in repr(empty)
    assert "reelhouse build" in empty._repr_html_()


def test_rows_come_in_the_form_of_other_libraries(built: LakeInTheMaking) -> None:
    lake = Lake(built.storage, SAIL)
    query = "select movie_id, title from movie order by 1"
    assert list(lake.pandas(query)["movie_id"]) == [1, 2]
    assert lake.duckdb(query).filter("movie_id > 1").fetchall() == [(2, lake.arrow(query)["title"][1].as_py())]
    assert lake.path("movie") == f"{built.root}/tables/movie"
    assert (Path(lake.path("movie")) / "_delta_log").is_dir()
    with pytest.raises(reelhouse.LakeError, match="did you mean 'movie'"):
        lake.path("movies")


def test_polars_gets_the_rows_as_arrow(built: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands in for Polars, which is not a dependency.
    polars = types.ModuleType("polars")
    polars.__spec__ = ModuleSpec("polars", None)
    vars(polars)["from_arrow"] = lambda table: ("polars", table.to_pylist())
    monkeypatch.setitem(sys.modules, "polars", polars)
    assert Lake(built.storage, SAIL).polars("select 1 a") == ("polars", [{"a": 1}])


def test_a_missing_library_is_named_when_it_is_needed(built: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(built.storage, SAIL)
    monkeypatch.setattr("reelhouse.serve.lake.find_spec", lambda name: None)
    for name in ("pandas", "polars", "duckdb"):
        with pytest.raises(reelhouse.ConfigError, match=f"{name} is not installed.*pip install {name}"):
            getattr(lake, name)("select 1")


def test_a_notebook_shows_rows_of_a_dataframe_escaped(built: LakeInTheMaking) -> None:
    shown = Lake(built.storage, SAIL).sql("select '<i>' a, movie_id from movie order by 2")._repr_html_()
    assert shown is not None
    assert "<td>&lt;i&gt;</td><td>2</td>" in shown


def test_a_closed_lake_says_so_and_its_neighbour_goes_on(built: LakeInTheMaking) -> None:
    query = "select count(*) n from movie"
    with reelhouse.open(built.root) as other, reelhouse.open(built.root) as lake:
        assert lake.arrow(query) == other.arrow(query)
        lake.close()
        lake.close()
        assert "closed" in repr(lake)
        with pytest.raises(reelhouse.ReelhouseError, match="closed"):
            lake.sql(query)
        assert other.arrow(query).to_pylist() == [{"n": 2}]


def test_a_dataframe_whose_files_are_gone_is_an_error(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path / "lake <b>", registry=FEW)
    made.land(a_movie(1), a_movie(2), export=[1, 2])
    made.build()
    with reelhouse.open(made.root) as lake:
        movies, titles = lake.table("movie"), lake.sql("select title from movie")
        genres = lake.sql("select count(*) n from movie_genre")
        counted = titles.groupBy("title").count()
        titles.createOrReplaceTempView("mine")
        spark = movies.sparkSession
        spark.sql("-- of mine\ncreate or replace /* temporary */ temp view mine_too as select m.title from mine m")
        spark.sql("create or replace view default.mine_three as select title from mine_too")
        spark.sql("create temp view mine_four as select '--' dashes, title from mine_three")
        spark.sql("create temp view mine_six as table mine_three")
        spark.sql("create temp view `mine``five` (movie) as select title from mine_four")
        for votes in (1, 2):
            # Files of the last two builds are kept.
            assert len(movies.toPandas()) == counted.count() == titles.count() == 2
            made.land(a_movie(1, vote_count=votes))
            made.build()
        written = tmp_path / "written"
        lake.table("movie").write.parquet(str(written))
        copy = set(written.iterdir())
        for use in (
            movies.count,
            movies.toArrow,
            movies.show,
            titles.toPandas,
            counted.collect,
            movies.join(lake.table("movie"), "movie_id").collect,
            lambda: list(movies.toLocalIterator()),
            spark.table("mine").count,
            spark.table("mine_too").count,
            spark.table("mine_three").count,
            spark.table("default.mine_three").count,
            spark.table("mine_four").count,
            spark.table("mine_six").count,
            spark.table("`mine``five`").count,
            lambda: spark.sql("select count(*) from mine_too").collect(),
            lambda: movies.write.mode("overwrite").parquet(str(written)),
        ):
            with pytest.raises(reelhouse.LakeError, match=rf"1 of the files .* gone \({made.root}/tables/movie/"):
                use()
        assert set(written.iterdir()) == copy
        # Nothing changed in this table, and a name within another one is not its own.
        assert genres.toArrow().to_pylist() == [{"n": 0}]
        assert lake.sql("select 'movie' movie from record where entity = 'movie'").count() == 2
        assert lake.table("movie").count() == lake.arrow("select * from movie").num_rows == 2


def test_a_dataframe_of_a_query_stays_with_its_build(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path / "lake", registry=FEW)
    made.land(a_movie(1), export=[1])
    made.build()
    query = (
        "select m.title, count(*) over () n from movie m join dim_movie d on d.movie_id = m.movie_id order by 1 desc"
    )
    with reelhouse.open(made.root) as lake:
        before = lake.sql(query)
        shown = before.toArrow()
        made.land(a_movie(2), export=[1, 2])
        made.build()
        assert lake.sql("select count(*) n from movie").toArrow().to_pylist() == [{"n": 2}]
        assert before.toArrow() == shown
        assert lake.sql(query).toArrow().to_pylist() == [{"title": "Movie 2", "n": 2}, {"title": "Movie 1", "n": 2}]
        assert lake.sql("explain " + query).count() == 1


def test_the_page_on_readers_follows_what_changed(tmp_path: Path) -> None:
    (program,) = re.findall(
        r"## Only what changed\n.*?```python\n(.*?)```", (ROOT / "docs" / "readers.md").read_text(), re.S
    )
    made = LakeInTheMaking(tmp_path / "lake", registry=FEW)

    def roles(**titles: str) -> list[tuple[int, str]]:
        ids = {int(one[1:]): name for one, name in titles.items()}
        made.land(*(a_movie(id_, **_one_role(name)) for id_, name in ids.items()), export=ids)
        made.build()
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
        with duckdb.connect(str(tmp_path / "mine.duckdb")) as mine:
            return mine.sql("select movie_id, name from roles order by 1, 2").fetchall()

    assert roles(m1="Ann", m2="Bo") == [(1, "Ann"), (2, "Bo")]
    made.land(gone(1))
    assert roles(m2="Cy", m3="Di") == [(2, "Cy"), (3, "Di")]


def _one_role(name: str) -> dict[str, Any]:
    return {"credits": {"cast": [{"id": 7, "name": name, "credit_id": "c", "order": 0}], "crew": []}}


def test_closing_leaves_an_engine_alone_that_others_of_the_process_use() -> None:
    class Classic:
        @property
        def client(self) -> None:
            raise RuntimeError("[ONLY_SUPPORTED_WITH_SPARK_CONNECT]")

        def stop(self) -> None:
            raise AssertionError

    release(Classic())  # type: ignore[arg-type]


def test_the_snippets_of_the_page_use_what_there_is() -> None:
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    assert len(snippets) == 4
    functions = {name for name in reelhouse.__all__ if inspect.isfunction(getattr(reelhouse, name))}
    for node in (node for snippet in snippets for node in ast.walk(ast.parse(snippet))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "reelhouse":
            assert node.attr in reelhouse.__all__
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in functions:
            known = inspect.signature(getattr(reelhouse, node.func.attr)).parameters
            assert {each.arg for each in node.keywords} <= known.keys()


def test_functions_have_signatures_and_docstrings() -> None:
    for name in ("build", "collect", "export", "open", "purge", "status", "sync", "verify"):
        function = getattr(reelhouse, name)
        assert inspect.getdoc(function)
        assert next(iter(inspect.signature(function).parameters)) == "lake"
