"""What is pinned stays: the columns, what is there when an import fails, TMDB's names, and one's own data."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reelhouse.errors import LakeError
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.import_registry import imported, pin_import
from reelhouse.warehouse.purged_tables import erase_tables
from reelhouse.warehouse.verify import check_tables
from tests.imports.conftest import Importer

HINT = "nothing is changed; --new-schema takes other columns and types than last time"


def test_the_same_files_again_are_nothing_to_do(lake: Importer) -> None:
    first, second = lake.file("a.csv", "a\n1\n"), lake.file("b.csv", "a\n2\n")
    assert lake.bring("t", first, second)["imported"]
    pinned = lake.pin("t")
    assert not lake.bring("t", second, first)["imported"]
    assert not lake.bring("t", first, lake.file("c.csv", "a\n2\n"))["imported"]
    assert lake.pin("t") == pinned
    assert lake.bring("t", first)["imported"]
    assert lake.rows("t") == [{"a": 1}]


def test_the_same_files_read_otherwise_are_imported_again(lake: Importer) -> None:
    path = lake.file("a.csv", "a\n1\n-\n")
    lake.bring("t", path)
    assert lake.bring("t", path, "--null", "-")["imported"]
    assert lake.rows("t") == [{"a": "1"}, {"a": None}]


def test_the_same_files_are_imported_again_where_the_table_is_lost(lake: Importer) -> None:
    path = lake.file("a.csv", "a\n1\n")
    lake.bring("t", path)
    for left in sorted((lake.root / "imports" / "t").rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    assert lake.bring("t", path)["imported"]
    assert lake.rows("t") == [{"a": 1}]


def test_the_pin_tells_where_rows_came_from(lake: Importer) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    pin = lake.pin("t")
    assert [(source.name, source.bytes) for source in pin.sources] == [("a.csv", 4)]
    assert pin.sources[0].sha256 == (hashlib.sha256(b"a\n1\n").hexdigest())
    assert (pin.zone, pin.rows) == ("imports", 1)
    assert before <= datetime.fromisoformat(pin.imported_at) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,v,w\n1,2,3\n", f"what is there has a column w, which t has not; {HINT}"),
        ("id\n1\n", f"what is there has no column v, which t has; {HINT}"),
        ("id,v\n1,2\n\nx,3\n", f"new.csv: line 4: id is 'x', which is not of type bigint; {HINT}"),
        ("id,v\n1,2\n007,3\n", f"new.csv: line 3: id is '007', which is not of type bigint; {HINT}"),
        ('id,v\n1,"2\n2"\n3.5,3\n', f"new.csv: line 4: id is '3.5', which is not of type bigint; {HINT}"),
    ],
)
def test_another_schema_is_refused_by_file_line_and_value(lake: Importer, text: str, said: str) -> None:
    lake.bring("t", lake.file("old.csv", "id,v\n1,a\n"))
    assert lake.refused("t", lake.file("new.csv", text)) == said
    assert lake.rows("t") == [{"id": 1, "v": "a"}]


def test_a_new_schema_is_taken_where_it_is_asked_for(lake: Importer) -> None:
    lake.bring("t", lake.file("old.csv", "id,v\n1,a\n"))
    assert lake.types("t", lake.file("new.csv", "id,w\nx,0.5\n"), "--new-schema") == {"id": "string", "w": "double"}
    assert lake.rows("t") == [{"id": "x", "w": 0.5}]


def test_values_that_fit_keep_the_type_of_last_time(lake: Importer) -> None:
    lake.bring("t", lake.file("old.csv", "id,v,day\n007,0.5,2026-01-01\n"))
    types = lake.types("t", lake.file("new.csv", "day,id,v\n,1,2\n"))
    assert types == {"id": "string", "v": "double", "day": "date"}
    assert lake.rows("t") == [{"id": "1", "v": 2.0, "day": None}]


def test_what_readers_see_is_replaced_only_once_all_is_written(lake: Importer) -> None:
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    pin = lake.pin("t")
    lake.bring("t", lake.file("a.csv", "a\n2\n"))
    newer = lake.pin("t")
    assert newer.version > pin.version
    # What somebody began to read by the old pin is still there.
    pin_import(lake.storage, "t", pin, newer)
    assert lake.rows("t") == [{"a": 1}]


def test_only_the_rows_of_this_import_and_the_one_before_are_kept(lake: Importer) -> None:
    for number in range(5):
        lake.bring("t", lake.file("a.csv", f"a\n{number}\n"))
        assert len(list((lake.root / "imports" / "t").glob("*/*.parquet"))) == min(number + 1, 2)
    assert lake.rows("t") == [{"a": 4}]


@pytest.mark.parametrize("name", ["movie", "fact_movie", "dim_date", "tv_genre", "edge_costar", "episode"])
def test_names_of_tmdbs_tables_are_refused(lake: Importer, name: str) -> None:
    said = lake.refused(name, lake.file("a.csv", "a\n1\n"), code=2)
    assert said == f"import: {name} is a table of TMDB's, or will be one: take another name, my_{name} say"


def test_names_that_exports_keep_for_themselves_are_refused(lake: Importer) -> None:
    said = lake.refused("reelhouse_new__x", lake.file("a.csv", "a\n1\n"), code=2)
    assert said.startswith("import: names that begin with reelhouse_ are reelhouse's own")
    said = lake.refused("pg_class", lake.file("a.csv", "a\n1\n"), code=2)
    assert said == "import: PostgreSQL keeps names that begin with pg_ for itself: take my_pg_class, say"


def test_a_name_that_no_folder_or_catalogue_takes_is_refused_before_anything_is_written(lake: Importer) -> None:
    said = lake.refused("x" * 300, lake.file("a.csv", "a\n1\n"), code=2)
    assert said == "import: a table's name may have 200 letters, and this one has 300: shorten it"
    assert not (lake.root / "imports").exists()
    assert lake.bring("x" * 200, lake.file("a.csv", "a\n1\n"))["rows"] == 1


@pytest.mark.parametrize("name", ["Ratings", "1st", "my-table", "a.b", "../x", "é", ""])
def test_names_that_are_none_are_refused(lake: Importer, name: str) -> None:
    assert "is not a name for a table" in lake.refused(name, lake.file("a.csv", "a\n1\n"), code=2)


def test_every_name_of_the_model_that_is_made_by_now_is_refused_as_well(lake: Importer) -> None:
    from reelhouse.marts import REGISTRY
    from reelhouse.warehouse.import_registry import RESERVED, check_name

    made = REGISTRY.names
    assert not RESERVED & made, "a table that is made is no longer reserved"
    for name in made | RESERVED:
        with pytest.raises(Exception, match="a table of TMDB's"):
            check_name(name, made)


def test_a_dropped_table_is_gone_with_its_bytes_and_its_name_is_free(lake: Importer) -> None:
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    lake.bring("tt", lake.file("b.csv", "a\n2\n"))
    assert lake.bring("t", "--drop") == {"name": "t", "dropped": True, "rows": 1}
    assert sorted(imported(lake.storage)) == ["tt"]
    assert not list(lake.storage.keys("imports/t/"))
    assert lake.refused("zz9", "--drop") == "no table 'zz9' was imported"
    assert lake.refused("t", "--drop") == "no table 't' was imported (did you mean 'tt'?)"
    lake.bring("t", lake.file("c.csv", "b\nx\n"))
    assert (lake.rows("t"), lake.rows("tt")) == ([{"b": "x"}], [{"a": 2}])


def test_what_a_killed_drop_leaves_can_be_imported_over_and_dropped(lake: Importer) -> None:
    class Tired(FolderStorage):
        left = 0

        def delete_all_versions(self, key: str) -> None:
            if not self.left:
                raise KeyboardInterrupt
            Tired.left -= 1
            super().delete_all_versions(key)

    from reelhouse.warehouse.import_registry import drop_import

    for erased in range(4):
        lake.bring("t", lake.file("a.csv", f"a\n{erased}\n"))
        lake.bring("t", lake.file("a.csv", "a\nx\n"), "--new-schema")
        Tired.left = erased
        with pytest.raises(KeyboardInterrupt):
            drop_import(Tired(lake.root), "t")
        assert imported(lake.storage) == {}
        lake.bring("t", lake.file("a.csv", "a\n7\n"))
        assert lake.rows("t") == [{"a": 7}]
        assert lake.bring("t", "--drop")["dropped"]


def test_a_purge_takes_tmdbs_tables_and_leaves_ones_own(lake: Importer) -> None:
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    done = lake.run("--all", "--yes", command="purge")
    assert done.exit_code == 0, done.output
    erase_tables(lake.storage)
    assert lake.rows("t") == [{"a": 1}]


def test_verify_names_what_is_lost_of_an_import_and_the_same_file_repairs_it(lake: Importer) -> None:
    given = {name: lake.file(f"{name}.csv", f"a\n{name}\n") for name in "tu"}
    for name, path in given.items():
        lake.bring(name, path)
    assert check_tables(lake.storage) == []
    (file,) = (lake.root / "imports" / "t").glob("*/*.parquet")
    file.unlink()
    (lake.root / "imports" / "u" / "_delta_log" / f"{0:020d}.json").unlink()
    assert check_tables(lake.storage) == [
        f"imports/t/{file.parent.name}/{file.name} is gone, though version 0 needs it: import it again",
        "imports/u has lost version 0, which readers are shown: import it again",
    ]
    for name, path in given.items():
        lake.bring(name, path)
    assert check_tables(lake.storage) == []
    assert (lake.rows("t"), lake.rows("u")) == ([{"a": "t"}], [{"a": "u"}])


def test_verify_names_the_lost_registry_of_imports(lake: Importer) -> None:
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    (lake.root / "_reelhouse" / "imports.json").unlink()
    (said,) = check_tables(lake.storage)
    assert said.startswith("_reelhouse/imports.json is lost, or an import was interrupted; readers do not see t: ")
    lake.bring("t", "--drop")
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_two_imports_of_two_names_at_once_both_count(lake: Importer) -> None:
    files = [lake.file(f"{number}.csv", f"a\n{number}\n") for number in range(3)]
    running = [_started(lake, f"t{number}", path) for number, path in enumerate(files)]
    assert [_ended(one) for one in running] == [(0, "")] * 3
    assert [lake.rows(f"t{number}") for number in range(3)] == [[{"a": number}] for number in range(3)]


def test_of_two_imports_of_one_name_at_once_one_wins_whole(lake: Importer) -> None:
    files = [lake.file(f"{number}.csv", "a\n" + f"{number}\n" * 1000) for number in range(2)]
    running = [_started(lake, "t", path) for path in files]
    ended = [_ended(one) for one in running]
    assert {code for code, _ in ended} <= {0, 1}
    assert (0, "") in ended
    lost = "reelhouse: t was imported by somebody else meanwhile; nothing is changed, import it again"
    assert {said for code, said in ended if code} <= {lost}
    rows = lake.rows("t")
    assert len(rows) == 1000
    assert len({row["a"] for row in rows}) == 1


def test_a_pin_that_moved_meanwhile_is_not_overwritten(lake: Importer) -> None:
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    old = lake.pin("t")
    lake.bring("t", lake.file("a.csv", "a\n2\n"))
    with pytest.raises(LakeError, match="imported by somebody else meanwhile"):
        pin_import(lake.storage, "t", old, old)
    with pytest.raises(LakeError, match="imported by somebody else meanwhile"):
        pin_import(lake.storage, "t", old, None)
    assert lake.rows("t") == [{"a": 2}]


def test_pins_of_many_threads_are_all_there(lake: Importer) -> None:
    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    pin = lake.pin("t")
    threads = [
        threading.Thread(target=pin_import, args=(FolderStorage(lake.root), f"u{number}", pin, None))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(imported(lake.storage)) == 9


@pytest.mark.long
def test_an_import_that_is_killed_at_any_instant_leaves_the_old_table(lake: Importer) -> None:
    lake.bring("t", lake.file("old.csv", "a,b\n1,x\n"))
    path = lake.file("new.csv", "a,b\n" + "2,some text\n" * 400_000)
    started = time.monotonic()
    assert _ended(_started(lake, "other", path)) == (0, "")
    whole = time.monotonic() - started
    killed = 0
    for part in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        one = _started(lake, "t", path)
        time.sleep(whole * part)
        one.send_signal(signal.SIGKILL)
        _ended(one)
        killed += one.returncode == -signal.SIGKILL
        if one.returncode == 0 or lake.pin("t").rows > 1:
            break
        assert lake.rows("t") == [{"a": 1, "b": "x"}]
    assert killed
    lake.bring("t", path)
    assert lake.pin("t").rows == len(lake.rows("t")) == 400_000


def _started(lake: Importer, *arguments: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "reelhouse.cli.main", "import", *arguments],
        env={**kept, "REELHOUSE_LAKE": str(lake.root)},
        cwd=lake.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(one: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, and the line that says what went wrong."""
    _, said = one.communicate(timeout=120)
    return one.returncode, said.strip().splitlines()[-1] if one.returncode == 1 else ""


def test_files_that_change_while_they_are_read_are_not_believed(
    lake: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reelhouse.imports.csv_files import CsvFiles

    lake.bring("t", lake.file("a.csv", "a\n1\n"))
    path = Path(lake.file("a.csv", "a\n2\n3\n"))
    columns = CsvFiles.columns

    def looks_and_somebody_writes(self: CsvFiles, *args: object) -> object:
        found = columns(self, *args)  # type: ignore[arg-type]
        path.write_text("a\n2\n3\n4\n")
        return found

    monkeypatch.setattr(CsvFiles, "columns", looks_and_somebody_writes)
    said = lake.refused("t", str(path))
    assert said == "the files were changed while they were read; nothing is changed, import them again"
    assert lake.rows("t") == [{"a": 1}]


@pytest.mark.parametrize("target", ["csv:{}/out", "duckdb:{}/o.duckdb", "sqlite:{}/o.sqlite"])
def test_a_column_of_ones_own_called_fetched_at_is_no_age_of_an_answer(lake: Importer, target: str) -> None:
    lake.bring("own", lake.file("own.csv", "id,fetched_at\n1,5\n"))
    for _ in range(2):
        done = lake.run("--full", "--to", target.format(lake.folder), command="export")
        assert done.exit_code == 0, done.output
        assert "oldest answer" not in done.output
