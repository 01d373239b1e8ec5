"""The seam to delta-rs: the same in a folder and in a bucket, whatever stands in the environment."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelhouse.delta.delta_rs import (
    BATCH_ROWS,
    arrow_schema_of,
    files_below,
    misread,
    open_delta,
    put_checkpoint,
    read_delta,
    s3_options,
    write_delta,
)
from reelhouse.delta.log import log_key, read_commit
from reelhouse.delta.parquet import files_in
from reelhouse.errors import ConfigError, KeyTakenError, LakeError
from reelhouse.storage.credentials import Credentials, S3Access
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import Storage
from tests.s3servers import OTHERS, aim, fresh_bucket, started

OWN = "tables/own"
SOME = pa.table(
    {
        "id": pa.array([1, 2, None], pa.int64()),
        "at": pa.array(
            [datetime(2300, 1, 1, tzinfo=UTC), None, datetime(1900, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")
        ),
        "title": ["a", None, "ü"],
    }
)

# What a person may have set for others, each of which delta-rs would follow.
STRAY = {
    "AWS_SESSION_TOKEN": "of other keys",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "else",
    "AWS_PROFILE": "nobody",
    "AWS_REGION": "eu-elsewhere-1",
    "AWS_SKIP_SIGNATURE": "true",
    "AWS_ALLOW_HTTP": "false",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/other",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "nowhere",
}


@pytest.fixture(params=["folder", "moto", "versitygw"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "folder":
        return open_storage(str(tmp_path / "ü b 100%" / "lake"))
    server = started(request.param)
    aim(monkeypatch, server)
    found = open_storage(f"s3://{fresh_bucket(server)}/some/lake")
    # boto3 has read its environment by now; from here on it holds only what is for others.
    found.check()
    for name in (*OTHERS, *STRAY):
        monkeypatch.delenv(name, raising=False)
    for name, value in STRAY.items():
        monkeypatch.setenv(name, value)
    return found


def put(storage: Storage, rows: pa.Table, mode: str = "overwrite", **options: bool) -> int:
    way = cast(Literal["append", "overwrite"], mode)
    return write_delta(storage, OWN, rows.to_reader(), mode=way, user={"fingerprint": mode}, **options)


def test_each_version_is_read_as_it_was_written(storage: Storage) -> None:
    assert [put(storage, SOME), put(storage, SOME.slice(0, 1), "append"), put(storage, SOME.slice(1))] == [0, 1, 2]
    assert read_delta(storage, OWN, 0).read_all().to_pylist() == SOME.to_pylist()
    assert read_delta(storage, OWN, 1, ["title", "id"]).read_all().num_rows == 4
    assert read_delta(storage, OWN, 1, ["title", "id"]).schema.names == ["title", "id"]
    assert read_delta(storage, OWN, 2).read_all().to_pylist() == SOME.slice(1).to_pylist()


def test_commits_read_like_those_of_the_engine_and_old_readers_know_the_protocol(storage: Storage) -> None:
    put(storage, SOME)
    put(storage, SOME, "append")
    first, second = (read_commit(storage, OWN, version) for version in (0, 1))
    assert (first.overwrites, first.rows, first.user["fingerprint"]) == (True, 3, "overwrite")
    assert (second.overwrites, second.rows, second.user["fingerprint"]) == (False, 3, "append")
    lines = [json.loads(line) for line in storage.get(log_key(OWN, 0)).splitlines()]
    protocol = next(line["protocol"] for line in lines if "protocol" in line)
    assert (protocol["minReaderVersion"], protocol["minWriterVersion"]) == (1, 2)


def test_what_is_not_there_is_an_error_that_names_it(storage: Storage) -> None:
    with pytest.raises(LakeError, match=r"^tables/own version 3 cannot be opened: [^\n]+$"):
        open_delta(storage, OWN, 3)
    put(storage, SOME)
    with pytest.raises(LakeError, match="no column year"):
        read_delta(storage, OWN, 0, ["id", "year"])
    path = read_commit(storage, OWN, 0).files[0]
    storage.delete(f"{OWN}/{path}")
    with pytest.raises(LakeError, match=path):
        read_delta(storage, OWN, 0).read_all()


def test_rows_that_end_in_the_middle_leave_the_table_as_it_was(storage: Storage) -> None:
    put(storage, SOME)

    def broken() -> Iterator[pa.RecordBatch]:
        yield from SOME.to_batches()
        raise RuntimeError("the database went away")

    rows = pa.RecordBatchReader.from_batches(SOME.schema, broken())
    with pytest.raises(RuntimeError, match="the database went away"):
        write_delta(storage, OWN, rows, mode="overwrite", user={})
    assert open_delta(storage, OWN).version() == 0
    assert read_delta(storage, OWN, 0).read_all().num_rows == 3


def test_an_overwrite_lands_on_the_version_it_was_made_from_or_not_at_all(storage: Storage) -> None:
    put(storage, SOME)
    put(storage, SOME, "append")
    with pytest.raises(KeyTakenError, match="tables/own/_delta_log"):
        write_delta(storage, OWN, SOME.to_reader(), mode="overwrite", user={}, over=0)
    assert write_delta(storage, OWN, SOME.to_reader(), mode="overwrite", user={}, over=1) == 2
    assert read_delta(storage, OWN, 2).read_all().num_rows == 3


def test_files_are_listed_with_their_sizes_and_times(storage: Storage) -> None:
    put(storage, SOME)
    # More than a page of a listing.
    for at in range(120):
        storage.put(f"{OWN}/of-others-{at:03}.parquet", b"123")
    found = files_below(storage, OWN)
    assert sorted(found) == sorted(key.removeprefix(f"{OWN}/") for key in storage.keys(f"{OWN}/"))
    assert found["of-others-001.parquet"].size == 3
    assert abs((found["of-others-001.parquet"].put - datetime.now(UTC)).total_seconds()) < 600
    put_checkpoint(storage, OWN)
    assert "_delta_log/_last_checkpoint" in files_below(storage, OWN)


def test_an_overwrite_may_bring_other_columns_and_an_append_may_not(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    put(storage, SOME)
    other = pa.table({"id": ["one"], "year": [1999]})
    for mode in ("append", "overwrite"):
        with pytest.raises(LakeError):
            put(storage, other, mode)
    assert put(storage, other, new_schema=True) == 1
    assert arrow_schema_of(open_delta(storage, OWN)).names == ["id", "year"]
    assert read_delta(storage, OWN, 0, ["at"]).read_all().num_rows == 3


def test_a_folder_that_delta_rs_would_look_for_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rename that folder"):
        put(open_storage(str(tmp_path / "a%20b")), SOME)


def test_an_instant_without_a_time_zone_is_refused(tmp_path: Path) -> None:
    naive = pa.table({"at": pa.array([0], pa.timestamp("us"))})
    with pytest.raises(LakeError, match=r"column at has .*: use UTC"):
        put(open_storage(str(tmp_path)), naive)


def test_a_large_table_is_read_in_batches(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    put(storage, pa.table({"id": range(3 * BATCH_ROWS)}))
    sizes = [batch.num_rows for batch in read_delta(storage, OWN, 0)]
    assert sum(sizes) == 3 * BATCH_ROWS
    assert max(sizes) <= BATCH_ROWS


def test_a_bucket_is_asked_with_the_lakes_own_encryption_and_token() -> None:
    access = S3Access("https://s3.example", "eu-west-1", S3Options(kms_key="k"), lambda: Credentials("a", "b", "t"))
    options = s3_options(access)
    assert (options["aws_server_side_encryption"], options["aws_sse_kms_key_id"]) == ("aws:kms", "k")
    assert (options["aws_session_token"], options["aws_allow_http"]) == ("t", "false")
    plain = s3_options(access._replace(options=S3Options(encryption="sse-s3")))
    assert plain["aws_server_side_encryption"] == "AES256"
    assert "aws_sse_kms_key_id" not in plain


def test_the_log_states_rows_nulls_and_bounds_of_what_is_not_nested(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    rows = pa.table(
        {
            "id": pa.array([3, None, 1], pa.int64()),
            "day": pa.array([date(2026, 1, 2), date(1900, 1, 1), None]),
            "title": ["b", "a", None],
            "long": ["x" * 500, "y", None],
            "none": pa.array([None, None, None], pa.string()),
            "share": [0.5, float("nan"), None],
            "nested": [[{"a": 1}], [], None],
            # Of a year that Python's dates do not have.
            "far": pa.array([4_000_000, 1, None], pa.int32()).cast(pa.date32()),
        }
    )
    put(storage, rows)
    (line,) = (json.loads(one) for one in storage.get(log_key(OWN, 0)).splitlines() if b'"add"' in one)
    stats = json.loads(line["add"]["stats"])
    assert stats["numRecords"] == 3
    assert stats["nullCount"] == {"id": 1, "day": 1, "title": 1, "long": 1, "none": 3, "share": 1, "far": 1}
    assert stats["minValues"] == {"id": 1, "day": "1900-01-01", "title": "a"}
    assert stats["maxValues"] == {"id": 3, "day": "2026-01-02", "title": "b"}
    assert list(misread(storage, OWN, 0)) == []


def test_a_text_that_is_not_utf_8_is_found_where_every_value_is_read(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    # Neither the least nor the greatest, which the log states.
    put(storage, pa.table({"title": pa.array([b"a", b"m\xe9lie", b"z"]).view(pa.string())}))
    (problem,) = misread(storage, OWN, 0)
    assert "cannot be read: " in problem
    assert "UTF8" in problem


def test_an_engine_file_without_rows_is_none_and_leaves_nothing(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    for name, rows in (("full", SOME), ("empty", SOME.slice(0, 0))):
        sink = io.BytesIO()
        pq.write_table(rows, sink)
        storage.put(f"{OWN}/a-writing/{name}.parquet", sink.getvalue())
        storage.put(f"{OWN}/a-writing/_temporary/0/{name}.parquet", sink.getvalue())
    (file,) = files_in(storage, OWN, "a-writing")
    assert (file.path, file.rows) == ("a-writing/full.parquet", 3)
    assert storage.size(f"{OWN}/a-writing/empty.parquet") is None
    assert files_in(storage, OWN, "not-there") == []
    storage.delete(f"{OWN}/a-writing/_temporary/0/full.parquet")
    storage.delete(f"{OWN}/a-writing/_temporary/0/empty.parquet")
    storage.delete(f"{OWN}/a-writing/full.parquet")
    assert not (tmp_path / OWN / "a-writing" / "_temporary" / "0").exists()
