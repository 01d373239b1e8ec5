"""Whatever is taken out of a lake by hand, verify turns red and says what is missing."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reelhouse.cli import pipeline
from reelhouse.collect.verify import verify
from reelhouse.errors import LakeError
from reelhouse.raw.keys import plan_key, receipt_key, reconciliation_key
from reelhouse.raw.ledger import drop_ledgers, keep_ledger, open_ledger
from reelhouse.raw.plan import read_plan
from reelhouse.raw.receipt import Receipt, read_part
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from tests.lakes import Noting
from tests.runs.dying import KilledError, Stepping, dies_at
from tests.runs.lakes import assert_whole, collect_small, small
from tests.runs.scenes import copied, first_day, second_day
from tests.runs.tiny import Tiny, tiny_tmdb

# The one that goes: landed by the first run, in its second unit, asked for no second time.
ID = "12"
UNIT = 1


@pytest.fixture(scope="module")
def two_runs() -> MemoryStorage:
    made = MemoryStorage()
    with tiny_tmdb() as tiny:
        tiny.changed = {}
        first_day(tiny, made)
        second_day(tiny, made)
        tiny.changed = {}
        for key in list(made.keys("_reelhouse/inbox/")):
            made.delete(key)
        collect_small(made, small(tiny))
    return made


@pytest.fixture
def lake(two_runs: MemoryStorage) -> MemoryStorage:
    """Two whole runs, to be spoilt."""
    made = copied(two_runs)
    assert_whole(made)
    return made


def _place(lake: Storage) -> tuple[Receipt, str]:
    """The receipt that claims `ID`, and its key."""
    for part in range(9):
        found = read_part(lake, "movie", 1, UNIT, part)
        assert isinstance(found, Receipt)
        if any(outcome.key == ID for outcome in found.outcomes):
            return found, receipt_key("movie", 1, UNIT, part)
    raise AssertionError("no receipt claims it")


def _spoil(lake: Storage, key: str, change: Callable[[Any], None]) -> None:
    """Change a JSON object and put it back so that it parses."""
    found = msgspec.json.decode(lake.get(key))
    change(found)
    lake.put(key, msgspec.json.encode(found))


def _red(lake: Storage, *texts: str) -> list[str]:
    verdict = verify(lake)
    assert not verdict.complete
    for text in texts:
        assert any(text in problem for problem in verdict.problems), verdict.problems
    return verdict.problems


def _without(body: bytes, start: bytes) -> bytes:
    lines = gzip.decompress(body).splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(start)]
    assert len(kept) == len(lines) - 1
    return gzip.compress(b"".join(kept))


def test_an_id_taken_out_of_a_plans_ids_is_named(lake: MemoryStorage) -> None:
    plan = read_plan(lake, "movie", 1)
    assert plan is not None
    lake.put(plan.ids.key, _without(lake.get(plan.ids.key), f"{ID} ".encode()))
    _red(lake, "the sha256 differs", f"id {ID} ")


def test_an_id_taken_out_of_a_plans_ids_is_named_though_the_plan_was_made_to_fit(lake: MemoryStorage) -> None:
    plan = read_plan(lake, "movie", 1)
    assert plan is not None
    spoilt = _without(lake.get(plan.ids.key), f"{ID} ".encode())
    lake.put(plan.ids.key, spoilt)

    def refit(found: Any) -> None:
        found["ids"] |= {"sha256": hashlib.sha256(spoilt).hexdigest(), "count": plan.ids.count - 1}
        found["counts"]["requested"]["new"] -= 1
        found["counts"]["listed"] -= 1

    _spoil(lake, plan_key("movie", 1), refit)
    _red(lake, f"id {ID} was listed in movie run 1, but was neither filtered, requested nor known before")


def test_an_id_taken_out_of_a_receipt_is_named(lake: MemoryStorage) -> None:
    _, key = _place(lake)
    _spoil(lake, key, lambda found: found.update(outcomes=[c for c in found["outcomes"] if c["key"] != ID]))
    _red(lake, f"id {ID} of movie run 1 has no receipt")


@pytest.mark.parametrize("refit", [False, True], ids=["the receipt as it was", "the receipt made to fit"])
def test_an_id_taken_out_of_a_chunk_is_named(lake: MemoryStorage, refit: bool) -> None:
    receipt, key = _place(lake)
    assert receipt.chunk is not None
    lines = gzip.decompress(lake.get(receipt.chunk.key)).splitlines(keepends=True)
    kept = [line for line in lines if msgspec.json.decode(line)["key"] != ID]
    assert len(kept) == len(lines) - 1
    spoilt = gzip.compress(b"".join(kept))
    lake.put(receipt.chunk.key, spoilt)
    if refit:
        stated = {"size": len(spoilt), "sha256": hashlib.sha256(spoilt).hexdigest(), "lines": len(kept)}
        _spoil(lake, key, lambda found: found["chunk"].update(stated))
    _red(lake, f"id {ID}")


def test_an_answer_that_is_another_ids_is_named(lake: MemoryStorage) -> None:
    """Everything fits: sizes, hashes, numbers of lines; only the bytes are not those that the receipt names."""
    receipt, key = _place(lake)
    assert receipt.chunk is not None
    spoilt = gzip.compress(gzip.decompress(lake.get(receipt.chunk.key)).replace(b'"key":"12"', b'"key":"99"'))
    lake.put(receipt.chunk.key, spoilt)
    stated = {"size": len(spoilt), "sha256": hashlib.sha256(spoilt).hexdigest()}
    _spoil(lake, key, lambda found: found["chunk"].update(stated))
    _red(lake, f"id {ID}")


def test_a_body_that_was_altered_is_named(lake: MemoryStorage) -> None:
    receipt, key = _place(lake)
    assert receipt.chunk is not None
    spoilt = gzip.compress(gzip.decompress(lake.get(receipt.chunk.key)).replace(b"Title 12,", b"Titel 12,"))
    lake.put(receipt.chunk.key, spoilt)
    stated = {"size": len(spoilt), "sha256": hashlib.sha256(spoilt).hexdigest()}
    _spoil(lake, key, lambda found: found["chunk"].update(stated))
    _red(lake, f"id {ID}")


@pytest.mark.parametrize("what", ["plan", "ids", "export", "reconciliation", "receipt"])
@pytest.mark.parametrize("how", ["cut", "emptied", "deleted", "garbled", "binary"])
def test_the_newest_run_is_no_exception(lake: MemoryStorage, what: str, how: str) -> None:
    plan = read_plan(lake, "movie", 2)
    assert plan is not None
    assert plan.export is not None
    keys = {
        "plan": plan_key("movie", 2),
        "ids": plan.ids.key,
        "export": plan.export.key,
        "receipt": receipt_key("movie", 2, 0, 0),
        "reconciliation": reconciliation_key("movie", 2),
    }
    _damage(lake, keys[what], how)
    if (what, how) == ("reconciliation", "deleted"):
        # Nothing is pending; the next start writes it again.
        assert verify(lake).pending == 0
        return
    assert any(keys[what] in problem or "run 2 " in problem for problem in _red(lake))
    if what == "ids":
        _red(lake, "was asked in movie run 2, but its ids no longer name it")


def test_an_export_that_was_made_to_fit_and_does_not_parse_is_one_problem_of_one_run(lake: MemoryStorage) -> None:
    plan = read_plan(lake, "movie", 1)
    assert plan is not None
    assert plan.export is not None
    lake.put(plan.export.key, b"no gzip")
    stated = hashlib.sha256(b"no gzip").hexdigest()
    _spoil(lake, plan_key("movie", 1), lambda found: found["export"].update(sha256=stated))
    assert all("run 1" in problem for problem in _red(lake, "the export is damaged"))


@pytest.mark.parametrize("what", ["plan", "ids", "export", "receipt", "chunk", "reconciliation"])
@pytest.mark.parametrize("how", ["cut", "emptied", "deleted", "garbled", "binary"])
def test_anything_cut_or_gone_is_reported_and_never_read_as_less(lake: MemoryStorage, what: str, how: str) -> None:
    receipt, key = _place(lake)
    plan = read_plan(lake, "movie", 1)
    assert plan is not None
    assert plan.export is not None
    assert receipt.chunk is not None
    keys = {
        "plan": plan_key("movie", 1),
        "ids": plan.ids.key,
        "export": plan.export.key,
        "receipt": key,
        "chunk": receipt.chunk.key,
        "reconciliation": reconciliation_key("movie", 1),
    }
    _damage(lake, keys[what], how)
    problems = _red(lake)
    named = keys[what] if not (what in ("plan", "receipt", "reconciliation") and how == "deleted") else " run 1"
    assert any(named in problem or "run 1 " in problem for problem in problems), problems
    if what in ("receipt", "chunk"):
        assert any(f"id {ID} " in problem or f"id {ID}:" in problem for problem in problems), problems


def _damage(lake: MemoryStorage, key: str, how: str) -> None:
    body = lake.get(key)
    if how == "deleted":
        lake.delete(key)
    elif how == "garbled":
        lake.put(key, body[: len(body) // 2] + b"\x00" + body[len(body) // 2 + 1 :])
    elif how == "binary":
        lake.put(key, b'{"format":1,"entity":"\xff\xfe\x80"}')
    else:
        lake.put(key, body[: len(body) // 2] if how == "cut" else b"")


@pytest.mark.parametrize("how", ["cut", "emptied", "deleted", "garbled", "binary"])
def test_a_lost_ledger_is_rebuilt_and_no_problem(lake: MemoryStorage, how: str, tiny: Tiny) -> None:
    for key in list(lake.keys("_reelhouse/ledger/movie/")):
        _damage(lake, key, how)
    assert_whole(lake)
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.gone = {3, 7, 17}
    tiny.listed = [*range(1, 3), *range(5, 35)]
    collect_small(lake, small(tiny))
    assert set(tiny.asked) == {"7", "17", "9"}
    assert_whole(lake)


def test_a_ledger_that_says_something_else_is_named(lake: MemoryStorage, two_runs: MemoryStorage) -> None:
    for key in two_runs.keys("_reelhouse/ledger/"):
        lake.put(key, two_runs.get(key))
    assert_whole(lake)
    _, key = _place(lake)

    def gone(found: Any) -> None:
        next(outcome for outcome in found["outcomes"] if outcome["key"] == ID)["state"] = "gone"

    _spoil(lake, key, gone)
    _red(lake, f"the ledger differs from the receipts in `known`: movie {ID} landed")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("known", "update known set fetched_at = '2031-01-01T00:00:00Z'"),
        ("run", "update run set request_profile = 'another'"),
        ("object", "delete from object"),
    ],
)
def test_a_forged_ledger_is_named_whatever_it_changes(lake: MemoryStorage, table: str, change: str) -> None:
    with open_ledger(lake, "movie", 2) as ledger:
        ledger.db.execute(change)
        keep_ledger(lake, "movie", ledger)
    _red(lake, f"the ledger differs from the receipts in `{table}`: ")


def test_of_many_problems_alike_the_first_are_named_and_all_are_counted(lake: MemoryStorage) -> None:
    forged = "select 'movie', id, 'landed', '2026-03-05T11:00:00Z', 1, null, null from many"
    with open_ledger(lake, "movie", 2) as ledger:
        ledger.db.execute(
            "with recursive many(id) as (select 5001 union all select id + 1 from many where id < 6500) "
            f"insert into known {forged}"
        )
        keep_ledger(lake, "movie", ledger)
    found = verify(lake)
    named = [problem for problem in found.problems if "(only in the kept ledger)" in problem]
    assert (len(named), found.problems.count("1,480 more like that")) == (20, 1)
    # One more says what to do.
    assert (found.problem_count, found.to_dict()["problem_count"]) == (1501, 1501)


@pytest.mark.parametrize(
    ("change", "unasked"),
    [
        ("update known set fetched_at = '2026-03-05T11:00:00Z'", "1"),
        ("insert into known values ('movie', 34, 'landed', '2026-03-05T11:00:00Z', 1, null, null)", "34"),
    ],
)
def test_a_check_of_a_run_sees_that_it_was_planned_from_a_forged_ledger(tiny: Tiny, change: str, unasked: str) -> None:
    lake = MemoryStorage()
    first_day(tiny, lake)
    with open_ledger(lake, "movie", 1) as ledger:
        ledger.db.execute(change)
        keep_ledger(lake, "movie", ledger)
    second_day(tiny, lake)
    tiny.changed, tiny.now = {}, "2026-03-05T12:00:00+00:00"
    collect_small(lake, small(tiny, stale_after_days=1))
    assert len(tiny.asked) > 1
    assert unasked not in tiny.asked
    problems = verify(lake, since={"movie": 2}).problems
    assert any("the ledger differs from the receipts in `known`" in problem for problem in problems), problems
    assert any("delete _reelhouse/ledger/movie/" in problem for problem in problems), problems
    drop_ledgers(lake)
    collect_small(lake, small(tiny, stale_after_days=1))
    assert unasked in tiny.asked


def test_a_check_of_what_is_new_sees_that_a_receipt_and_the_ledger_that_names_it_are_gone(lake: MemoryStorage) -> None:
    _, key = _place(lake)
    lake.delete(key)
    drop_ledgers(lake)
    problems = verify(lake, since={"movie": 2}).problems
    assert any("movie run 1: its reconciliation says landed = " in problem for problem in problems), problems


@pytest.mark.parametrize(
    "change", ["drop table known", "alter table alias rename to other", "alter table run drop requests"]
)
def test_a_ledger_that_lacks_a_table_is_made_again(lake: MemoryStorage, change: str) -> None:
    with open_ledger(lake, "movie", 2) as ledger:
        ledger.db.execute(change)
        keep_ledger(lake, "movie", ledger)
    assert_whole(lake)
    with open_ledger(lake, "movie", 2) as ledger:
        assert ledger.db.execute("select count(*) from known").fetchone()[0] > 0


def _forge(lake: Storage, change: Callable[[list[Any]], None]) -> None:
    """Change the outcomes of the receipt that claims `ID`, and let the ledger believe them."""
    _, key = _place(lake)
    _spoil(lake, key, lambda found: change(found["outcomes"]))
    drop_ledgers(lake)


def test_swapped_ids_of_two_outcomes_are_named(lake: MemoryStorage) -> None:
    def swap(outcomes: list[Any]) -> None:
        one, other = [outcome for outcome in outcomes if outcome["state"] == "landed"][:2]
        one["id"], other["id"] = other["id"], one["id"]

    _forge(lake, swap)
    _red(lake, "movie run 1 says that its id is")


def test_swapped_lines_of_two_outcomes_are_named(lake: MemoryStorage) -> None:
    def swap(outcomes: list[Any]) -> None:
        one, other = [outcome for outcome in outcomes if outcome["state"] == "landed"][:2]
        one["line"], other["line"] = other["line"], one["line"]

    _forge(lake, swap)
    _red(lake, "but it is not there")


@pytest.mark.parametrize(("name", "value"), [("fetched_at", "2036-01-01T00:00:00Z"), ("etag", '"other"')])
def test_an_outcome_that_dates_its_answer_otherwise_is_named(lake: MemoryStorage, name: str, value: str) -> None:
    _forge(lake, lambda outcomes: next(one for one in outcomes if one["key"] == ID).update({name: value}))
    _red(lake, f"id {ID}: movie run 1 says that its {name} is {value}, but line")


def test_a_landed_outcome_without_a_line_is_named(lake: MemoryStorage) -> None:
    _forge(lake, lambda outcomes: next(one for one in outcomes if one["key"] == ID).pop("line"))
    _red(lake, f"id {ID}: movie run 1 says that it landed, but names no line")


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [("body", {"id": 13, "title": "Another"}, "but that is about 13"), ("status", 404, "has the status 404")],
)
def test_another_answer_is_named_though_all_hashes_fit_it(
    lake: MemoryStorage, field: str, value: Any, text: str
) -> None:
    receipt, key = _place(lake)
    assert receipt.chunk is not None
    lines = [msgspec.json.decode(line) for line in gzip.decompress(lake.get(receipt.chunk.key)).splitlines()]
    line = next(line for line in lines if line["key"] == ID)
    line[field] = value
    line["sha256"] = hashlib.sha256(msgspec.json.encode(line["body"])).hexdigest()
    body = gzip.compress(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    lake.put(receipt.chunk.key, body)
    _spoil(lake, key, lambda found: found["chunk"].update(size=len(body), sha256=hashlib.sha256(body).hexdigest()))
    _red(lake, text)


@pytest.mark.parametrize("name", ["requested", "landed", "gone", "chunks", "bytes", "counts", "drift", "clean"])
def test_wrong_sums_of_a_reconciliation_are_named(lake: MemoryStorage, name: str) -> None:
    def forge(found: Any) -> None:
        if name == "counts":
            found["counts"]["listed"] += 1
        elif name == "drift":
            found["drift"]["unknown:field"] = 7
        else:
            found[name] = not found[name] if name == "clean" else found[name] + 1

    _spoil(lake, reconciliation_key("movie", 1), forge)
    _red(lake, f"movie run 1: its reconciliation says {name} = ")


@pytest.mark.parametrize("what", ["plan", "receipt", "reconciliation"])
def test_a_lake_of_a_newer_format_is_refused_with_a_word_on_what_to_do(
    lake: MemoryStorage, what: str, tiny: Tiny
) -> None:
    _, receipt = _place(lake)
    key = {"plan": plan_key("movie", 2), "receipt": receipt, "reconciliation": reconciliation_key("movie", 2)}[what]
    _spoil(lake, key, lambda found: found.update(format=4))
    _red(lake, "has format 4, this reelhouse reads format 3: upgrade reelhouse")
    if what != "receipt":
        with pytest.raises(LakeError, match="upgrade reelhouse"):
            collect_small(lake, small(tiny))
        assert tiny.asked.total() == 0


@pytest.mark.parametrize("how", ["link", "pipe", "linked folder"])
@pytest.mark.parametrize(
    "prefix",
    [
        "raw/movie/",
        "raw/exports/",
        "_reelhouse/runs/movie/000002/plan",
        "_reelhouse/runs/movie/000001/ids-",
        "_reelhouse/runs/movie/000001/receipts/",
        "_reelhouse/runs/movie/000001/reconciliation",
    ],
)
def test_what_cannot_be_read_is_one_problem_among_others(
    lake: MemoryStorage, tmp_path: Path, how: str, prefix: str
) -> None:
    place = FolderStorage(tmp_path / "lake")
    for key in lake.keys(""):
        place.put(key, lake.get(key))
    path = place.inside(next(iter(lake.keys(prefix))))
    target = path.parent if how == "linked folder" else path
    other = 1 if "000002" in prefix else 2
    place.delete(receipt_key("movie", other, 0, 0))
    target.rename(tmp_path / "elsewhere")
    if how == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to(tmp_path / "elsewhere")
    # Of a run whose folder cannot be read, nobody knows what follows it.
    whole = target.name.isdecimal() and "runs" in target.parts
    problems = _red(place, str(target), *([] if whole else [f"of movie run {other} has no receipt"]))
    assert not any(f"{target.name} is gone" in problem for problem in problems)


@pytest.mark.parametrize("run", [1, 2])
def test_a_whole_run_that_is_gone_is_missed(lake: MemoryStorage, run: int) -> None:
    for key in list(lake.keys(f"_reelhouse/runs/movie/{run:06d}/")):
        lake.delete(key)
    _red(lake, f"the plan of movie run {run} is gone")


def test_a_run_of_which_nothing_is_left_is_missed_by_those_that_follow(lake: MemoryStorage, tiny: Tiny) -> None:
    collect_small(lake, small(tiny))
    for key in list(lake.keys("")):
        if key.startswith(("_reelhouse/runs/movie/000002/", "_reelhouse/ledger/movie/")) or "/000002-" in key:
            lake.delete(key)
    assert "the plan of movie run 2 is gone, though something of run 3 is there" in _red(lake)
    with pytest.raises(LakeError, match="the plan of movie run 2 is gone"):
        collect_small(lake, small(tiny))


def test_a_forged_number_costs_no_look_up_for_each_before_it(lake: MemoryStorage) -> None:
    lake.put("raw/movie/2026/03/02/9999999999-00000-0a1b2c3d.jsonl.gz", b"")
    assert len(_red(lake, "the plan of movie run 9999999999 is gone")) < 30


def test_a_plan_that_is_gone_is_missed_though_nothing_is_found_by_probing(lake: MemoryStorage) -> None:
    lake.delete(plan_key("movie", 1))
    _red(lake, "the plan of movie run 1 is gone")
    lake.delete(plan_key("movie", 2))
    _red(lake, "the plan of movie run 1 is gone", "the plan of movie run 2 is gone")


def test_no_run_is_planned_over_the_receipts_of_a_lost_one(lake: MemoryStorage, tiny: Tiny) -> None:
    lake.delete(plan_key("movie", 2))
    with pytest.raises(LakeError, match=r"the plan of movie run 2 is gone, though .*: nothing is planned"):
        collect_small(lake, small(tiny))
    assert tiny.asked.total() == 0


@pytest.mark.parametrize("left", ["raw/", "_reelhouse/ledger/movie/"])
def test_no_run_is_planned_while_anything_is_left_of_a_lost_one_of_its_number(
    lake: MemoryStorage, tiny: Tiny, left: str
) -> None:
    for key in list(lake.keys("")):
        if key.startswith("_reelhouse/runs/movie/000002/") or (
            key.startswith(("raw/movie/", "_reelhouse/ledger/movie/")) and not key.startswith(left)
        ):
            lake.delete(key)
    _red(lake, "the plan of movie run 2 is gone, though ")
    before = set(lake.keys(""))
    for _ in range(2):
        with pytest.raises(LakeError, match=r"the plan of movie run 2 is gone, though .*: nothing is planned"):
            collect_small(lake, small(tiny))
    assert tiny.asked.total() == 0
    assert set(lake.keys("")) == before


def test_runs_that_are_lost_altogether_are_named_and_nothing_is_collected_over_their_chunks(
    lake: MemoryStorage, tiny: Tiny
) -> None:
    for key in [*lake.keys("_reelhouse/runs/movie/"), *lake.keys("_reelhouse/ledger/movie/")]:
        lake.delete(key)
    problems = _red(lake, "the plan of movie run 1 is gone, though ", "the plan of movie run 2 is gone, though ")
    assert any("of its chunks are there, such as raw/movie/" in problem for problem in problems)
    with pytest.raises(LakeError, match="nothing is planned, since run 1 could be taken for the lost one"):
        collect_small(lake, small(tiny))
    assert tiny.asked.total() == 0


def test_a_plan_that_comes_while_a_verify_lists_is_no_lost_run(two_runs: MemoryStorage) -> None:
    lake = copied(two_runs)
    for key in list(two_runs.keys("_reelhouse/runs/movie/000002/")):
        lake.delete(key)

    class Overtaken(Stepping):
        def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
            for key in two_runs.keys(prefix):
                lake.put(key, two_runs.get(key))
            return super().sizes(prefix)

    assert [problem for problem in verify(Overtaken(lake, lambda step: None)).problems if "plan" in problem] == []


def test_a_chunk_that_no_receipt_names_is_counted_and_no_problem(tiny: Tiny) -> None:
    lake = MemoryStorage()
    killed = 0
    for step in range(40):
        made = MemoryStorage()
        with pytest.raises(KilledError):
            collect_small(Stepping(made, dies_at(step)), small(tiny))
        chunks = [key for key in made.keys("raw/movie/") if key.endswith(".jsonl.gz")]
        receipts = list(made.keys("_reelhouse/runs/movie/000001/receipts/"))
        if len(chunks) > len(receipts):
            lake, killed = made, killed + 1
            break
    assert killed
    collect_small(lake, small(tiny))
    assert assert_whole(lake).unclaimed == 1


def test_an_open_run_is_not_whole_and_no_problem(tiny: Tiny) -> None:
    lake = MemoryStorage()
    with pytest.raises(KilledError):
        collect_small(Stepping(lake, dies_at(16)), small(tiny))
    verdict = verify(lake)
    assert verdict.problems == []
    assert verdict.pending == 30 - sum(verdict.states.values()) > 0
    assert not verdict.complete


def test_an_unreadable_receipt_of_the_open_run_costs_its_answers_alone(tiny: Tiny) -> None:
    """Its ids are asked again in the same run, and the damage stays reported."""
    lake = MemoryStorage()
    with pytest.raises(KilledError):
        collect_small(Stepping(lake, dies_at(16)), small(tiny))
    (first, *_) = lake.keys("_reelhouse/runs/movie/000001/receipts/")
    lake.put(first, b'{"run": 1')
    result = collect_small(lake, small(tiny))
    assert (result.pending, result.complete) == (0, False)
    assert _red(lake, first, "run 1 was reconciled as incomplete")
    # The next run is not held up by it.
    assert collect_small(lake, small(tiny)).complete


@pytest.mark.parametrize("how", ["deleted", "cut", "emptied"])
@pytest.mark.parametrize("what", ["chunk", "receipt"])
def test_verify_of_what_is_new_sees_that_an_earlier_object_is_gone_or_cut(
    lake: MemoryStorage, what: str, how: str
) -> None:
    receipt, key = _place(lake)
    assert receipt.chunk is not None
    victim = receipt.chunk.key if what == "chunk" else key
    _damage(lake, victim, how)
    verdict = verify(lake, since={"movie": 2})
    assert any(victim in problem for problem in verdict.problems)
    assert not verdict.complete


def test_verify_says_what_it_looked_at(lake: MemoryStorage) -> None:
    chunks = verify(lake).chunks
    looked = "movie runs 1 to 2 were checked in full: plans, receipts, and the hash of every response"
    assert verify(lake).checked == [looked]
    new, before = verify(lake, since={"movie": 2}).checked
    assert new.startswith("movie run 2 was checked in full")
    assert (
        f"receipts and {chunks - verify(lake, since={'movie': 2}).chunks} chunks are to be there, in full size"
        in before
    )


def test_verify_of_what_is_new_reads_no_answer_of_the_runs_before(lake: MemoryStorage) -> None:
    noting = Noting()
    for key in lake.keys(""):
        noting.put(key, lake.get(key))
    assert verify(noting, since={"movie": 2}).complete
    assert [key for key in noting.read if key.startswith("raw/movie/2026/03/01/")] == []


def test_verify_of_what_is_new_sees_what_is_new(lake: MemoryStorage) -> None:
    assert verify(lake, since={"movie": 2}).complete
    plan = read_plan(lake, "movie", 2)
    assert plan is not None
    lake.delete(receipt_key("movie", 2, 0, 0))
    assert not verify(lake, since={"movie": 2}).complete


def test_the_command_fails_where_the_lake_is_not_whole(lake: MemoryStorage, tmp_path: Any) -> None:
    _, receipt = _place(lake)
    for key in lake.keys(""):
        path = tmp_path / "lake" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lake.get(key))
    chosen = Settings(lake=str(tmp_path / "lake"))
    (tmp_path / "lake" / receipt).unlink()
    assert pipeline.verify(chosen, as_json=True) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"planned_at": "2031-01-01T00:00:00Z"},
        {"changes_read_to": "2031-01-01T00:00:00Z"},
        {"selection": {"source": "export", "min_popularity": 0.0}},
        {"written_by": "somebody"},
    ],
)
def test_a_plan_that_says_something_else_than_what_was_executed_is_named(lake: MemoryStorage, change: Any) -> None:
    _spoil(lake, plan_key("movie", 1), lambda found: found.update(change))
    _red(lake, "movie run 1: its plan is not the one that was executed")


def test_a_plan_whose_numbers_are_read_back_with_a_point_is_the_one_that_was_executed(lake: MemoryStorage) -> None:
    """Earlier releases wrote a whole number of the settings as it was."""
    _spoil(lake, plan_key("movie", 1), lambda found: found["selection"].update(min_popularity=1))
    written = hashlib.sha256(lake.get(plan_key("movie", 1))).hexdigest()
    _spoil(lake, reconciliation_key("movie", 1), lambda found: found.update(plan=written))
    assert b'"min_popularity":1}' in lake.get(plan_key("movie", 1))
    assert [one for one in verify(lake).problems if "executed" in one] == []
