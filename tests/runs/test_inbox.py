"""Messages that anybody may have put into the inbox: what is not an id is named, not requested; the lake works on."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.cli.terminal import display
from reelhouse.errors import LakeError
from reelhouse.raw.inbox import put_message
from reelhouse.raw.keys import ids_key, plan_key
from reelhouse.raw.plan import IdsObject, pack_ids, read_plan
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import assert_whole, collect, small
from tests.runs.tiny import Tiny


@pytest.fixture
def paths(tiny: Tiny) -> set[str]:
    """Every path that was asked, as it stood in the request; nothing is gone, nothing broken."""
    seen: set[str] = set()
    tiny.gone, tiny.broken, tiny.listed = set(), set(), [1, 2, 3]

    def note(request: web.BaseRequest) -> None:
        seen.add(request.rel_url.raw_path)

    tiny.instead = note
    return seen


ASKED = {f"/3/movie/{name}" for name in ("1", "2", "3", "changes")} | {"/3/configuration"}


def message(**fields: Any) -> bytes:
    return msgspec.json.encode({"event": "e", "entity": "movie", "keys": [], "run": "", "format": 1, **fields})


@pytest.mark.parametrize(
    "odd",
    [
        "../account",
        "1\n2",
        "5 new",
        "²",
        "٣",
        "1" * 23,
        "0",
        "-1",
        "",
        "603/../../account",
        "%2e%2e/account",
        "603?append_to_response=account",
        "ttabc",
        "tt",
        "nm0000093",
        5.5,
        True,
        None,
        ["603"],
        {"id": 603},
        10**30,
    ],
)
def test_an_ask_that_is_no_id_is_named_and_not_asked(tiny: Tiny, paths: set[str], odd: object) -> None:
    lake = MemoryStorage()
    lake.put("_reelhouse/inbox/e.json", message(keys=["20", odd, " tt0000021 ", 22]))
    result = collect(lake, small(tiny, record_filter=""))
    assert paths <= ASKED | {"/3/movie/20", "/3/movie/tt0000021", "/3/movie/22"}
    assert set(tiny.asked) == {"1", "2", "3", "20", "tt0000021", "22"}
    (found,) = result.plan.set_aside
    assert (found.key, found.count, len(found.shown)) == ("_reelhouse/inbox/e.json", 1, 1)
    assert result.complete
    assert not result.clean
    assert_whole(lake)
    # The message was taken, so the next run has nothing to say of it.
    assert list(lake.keys("_reelhouse/inbox/")) == []
    assert collect(lake, small(tiny, record_filter="")).clean


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"?",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        message(format=7),
        message(format="1"),
        message(keys="603"),
        message(keys={"603": 1}),
        message(keys=None),
        message(entity=5),
        message(entity="../account"),
        message(event=None),
        message(run="weekly"),
        message(run=None),
        b'{"format":1}',
    ],
)
def test_a_message_that_nobody_understands_stays_and_is_named_and_the_lake_works_on(
    tiny: Tiny, paths: set[str], body: bytes
) -> None:
    lake = MemoryStorage()
    lake.put("_reelhouse/inbox/odd.json", body)
    put_message(lake, "plain", "movie", ["20"])
    result = collect(lake, small(tiny, record_filter=""))
    assert set(tiny.asked) == {"1", "2", "3", "20"}
    assert paths <= ASKED | {"/3/movie/20"}
    (found,) = result.plan.set_aside
    assert "_reelhouse/inbox/odd.json" in found.reason
    assert "remove it" in found.reason
    assert (result.complete, result.clean) == (True, False)
    assert lake.get("_reelhouse/inbox/odd.json") == body
    assert_whole(lake)
    again = collect(lake, small(tiny, record_filter=""))
    assert [one.key for one in again.plan.set_aside] == ["_reelhouse/inbox/odd.json"]
    lake.delete("_reelhouse/inbox/odd.json")
    assert collect(lake, small(tiny, record_filter="")).clean


def test_objects_that_others_put_by_odd_names_are_no_messages(tiny: Tiny, paths: set[str]) -> None:
    class Bucket(MemoryStorage):
        def keys(self, prefix: str) -> Any:
            odd = (
                ["_reelhouse/inbox/", "_reelhouse/inbox/.my.json", "_reelhouse/inbox/ä.json"]
                if prefix == "_reelhouse/inbox/"
                else []
            )
            return iter(sorted([*super().keys(prefix), *odd]))

    lake = Bucket()
    result = collect(lake, small(tiny, record_filter=""))
    assert sorted(one.key for one in result.plan.set_aside) == ["_reelhouse/inbox/.my.json", "_reelhouse/inbox/ä.json"]
    assert result.complete


def test_what_is_set_aside_is_in_the_summary_and_in_the_json(
    tiny: Tiny, paths: set[str], reelhouse: Reelhouse, capfd: pytest.CaptureFixture[str]
) -> None:
    inbox = reelhouse.lake / "_reelhouse/inbox"
    inbox.mkdir(parents=True)
    (inbox / "a.json").write_bytes(message(keys=["../account", "1\n2", "20"]))
    (inbox / "b.json").write_bytes(b"{")
    code, said, _ = reelhouse("plan", "--json")
    assert (code, len(said["set_aside"])) == (0, 2)
    code, said, _ = reelhouse("collect", "--json")
    assert (code, said["complete"], said["clean"], said["landed"]) == (1, True, False, 4)
    first, second = said["set_aside"]
    assert (first["key"], first["count"], first["shown"]) == ("_reelhouse/inbox/a.json", 2, ["../account", "1\\n2"])
    assert second["key"] == "_reelhouse/inbox/b.json"
    (inbox / "c.json").write_bytes(message(keys=["../account"]))
    (inbox / "b.json").unlink()
    result = collect(FolderStorage(reelhouse.lake), small(tiny, record_filter=""))
    display.run_result(result)
    shown = capfd.readouterr()
    assert "complete, not clean" in shown.out
    assert (
        "_reelhouse/inbox/c.json names what is neither a TMDB id (550), an IMDb id (tt0137523) nor a TVDB id "
        "(tvdb:81189): '../account' (1 in all)" in shown.err
    )


def test_a_plan_that_asks_what_is_no_id_comes_to_its_end_without_asking_it(tiny: Tiny, paths: set[str]) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, record_filter=""), max_requests=1)
    _forge(lake, ["1 new", "../account listed", "² listed", "20 listed"])
    result = collect(lake, small(tiny, record_filter=""))
    assert set(tiny.asked) == {"1", "20"}
    assert paths <= ASKED | {"/3/movie/20"}
    assert result.states == {"landed": 2, "quarantined": 2}
    tiny.forget()
    # Nor does any later run take up what was set aside.
    again = collect(lake, small(tiny, record_filter=""))
    assert set(tiny.asked) == {"2", "3"}
    assert again.clean


def test_a_plan_that_holds_a_broken_line_is_named(tiny: Tiny, paths: set[str]) -> None:
    lake = MemoryStorage()
    collect(lake, small(tiny, record_filter=""), max_requests=1)
    _forge(lake, ["1", "2 listed"])
    with pytest.raises(LakeError, match=r"movie/000001/ids-\w+\.gz holds '1', which is not an id with a reason"):
        collect(lake, small(tiny, record_filter=""))


def _forge(lake: MemoryStorage, lines: list[str]) -> None:
    """Let the plan of run 1 ask these, as one of an earlier version may."""
    body, count = pack_ids(lines)
    sha256 = hashlib.sha256(body).hexdigest()
    lake.put(ids_key("movie", 1, sha256), body)
    plan = read_plan(lake, "movie", 1)
    assert plan is not None
    forged = msgspec.structs.replace(plan, ids=IdsObject(ids_key("movie", 1, sha256), sha256, count))
    lake.put(plan_key("movie", 1), msgspec.json.encode(forged))
