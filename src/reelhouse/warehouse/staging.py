"""Brings staging up to date: the chunks of new receipts are parsed and appended, suspect answers read again.

A commit names the parts of receipts it holds, and holds them whole: what the engine could not parse was read again
before it. So what a killed build had done is found in the log.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.delta.engine import Engine, arrow_schema
from reelhouse.delta.log import (
    Commit,
    DataFile,
    Mode,
    commits_held,
    latest_version,
    read_commit,
    readable_version,
    sound,
)
from reelhouse.delta.parquet import all_null, write_batches
from reelhouse.entities.lenient_parse import Parsed, Rejection, lenient_parse, nothing_of
from reelhouse.entities.paths import Shape, staged_name
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.chunk import raw_lines, read_line, whole_record
from reelhouse.raw.current import in_order, sequence_of
from reelhouse.raw.json_objects import described, get_named
from reelhouse.raw.keys import staging_folder
from reelhouse.raw.receipt import Receipt, State
from reelhouse.storage.protocol import Step, Storage
from reelhouse.tables.parsing import marks_misfits
from reelhouse.tables.staging import OUTCOMES, staged, staging_schema
from reelhouse.warehouse.manifest import Watermark
from reelhouse.warehouse.pending import (
    NamedPart,
    PendingRuns,
    ReceiptPart,
    check_chunks,
    new_parts,
    with_closed,
    with_parts,
)

# What one append parses at most: bounds memory, and is large enough that planning the query costs nothing. That is some
# 64 chunks, each the work of one task, so a cluster gets a multiple: two chunks for each of its tasks. The driver holds
# the outcomes of a whole append.
BATCH_BYTES = 160_000_000
BATCH_ANSWERS = 100_000
_TASKS_OF_A_BATCH = 32
_MOST_BATCHES_IN_ONE = 4
# Answers read again are in memory together, as Python's objects.
_REREAD_AT_ONCE = 500
_REREAD_BYTES = 16_000_000


class _ChunkLine(NamedTuple):
    """An answer in a chunk; without *sha256* it is a line that is not an envelope."""

    body: bytes
    sha256: str | None

    def parsed(self, shape: dict[str, Shape]) -> Parsed:
        return nothing_of(self.body, "cannot be read") if self.sha256 is None else lenient_parse(self.body, shape)


class _ParsedAgain(NamedTuple):
    """An outcome, what of its answer could be kept (None without an answer), and the answer's *weight* in bytes."""

    outcome: dict[str, Any]
    found: Parsed | None
    weight: int

    @property
    def row(self) -> dict[str, Any]:
        if self.found is None:
            return self.outcome
        values = {staged_name(name): value for name, value in self.found.values.items()}
        return {
            **self.outcome,
            **values,
            "rejected": [one._asdict() for one in self.found.rejected],
            "unparsed_line": None,
        }


class Staged(NamedTuple):
    """Staging as stored: *version* is None if there is none or it must begin from scratch."""

    version: int | None
    reads: Watermark


_NOTHING = Staged(None, Watermark())


def look_at_staging(storage: Storage, folder: str, pinned: Staged, code: str) -> Staged:
    """What staging holds: what was pinned and the commits since.

    Made by other code it counts as none, and so does what was damaged since, or changed by another program: what is
    appended to it would hide the loss.
    """
    try:
        found = _found(storage, folder, pinned, code)
    except LakeError:
        # Its log cannot be read.
        return _NOTHING
    return found if found.version is not None and sound(storage, folder, found.version) else _NOTHING


def _found(storage: Storage, folder: str, pinned: Staged, code: str) -> Staged:
    latest = latest_version(storage, folder, pinned.version or 0)
    # Other rows under the number of a version that was lost would be taken for its own.
    if latest is None or latest < (pinned.version or 0):
        return _NOTHING
    found = pinned if pinned.version is not None else _NOTHING
    for commit in _commits_since(storage, folder, found.version, latest):
        if commit.user.get("parsing_fingerprint") != code or (found.version is None and not commit.overwrites):
            found = _NOTHING
            continue
        reads = _begun_with(commit) if commit.overwrites else found.reads
        found = Staged(commit.version, with_parts(reads, _parts_of(commit)))
    return found


def _commits_since(storage: Storage, folder: str, pinned: int | None, latest: int) -> list[Commit]:
    """The commits after the *pinned* version, or all that the latest version consists of, oldest first."""
    if pinned is not None:
        return [read_commit(storage, folder, version) for version in range(pinned + 1, latest + 1)]
    try:
        return list(commits_held(storage, folder, latest))[::-1]
    except MissingKeyError:
        # Its beginning is lost, so its content is unknown.
        return []


def outcomes_held(storage: Storage, folder: str, version: int) -> int | None:
    """How many outcomes a version holds, each with one settled row; None if maintenance wrote a part of it."""
    commits = list(commits_held(storage, folder, version))
    return None if any("rewrites" in one.user for one in commits) else sum(one.user["outcomes"] for one in commits)


def _begun_with(commit: Commit) -> Watermark:
    """What a commit that replaces everything holds beside its parts: maintenance keeps what others had appended."""
    return msgspec.convert(commit.user.get("reads", {}), described(Watermark))


@dataclass(frozen=True)
class Stager:
    """Writes the staging of an *entity*; *code* is the fingerprint of how its answers are parsed."""

    engine: Engine
    entity: Entity
    code: str

    @property
    def folder(self) -> str:
        return staging_folder(self.entity.name)

    @cached_property
    def schema(self) -> T.StructType:
        return staging_schema(self.entity)

    @cached_property
    def _exactly(self) -> bool:
        return marks_misfits(self.engine.spark)

    def bring_up_to_date(
        self, found: Staged, pending_runs: PendingRuns, progress: Step, *, from_scratch: bool
    ) -> Staged:
        """Append what *pending_runs* has and *found* lacks; with *from_scratch* the first append replaces everything.

        Raises `OvertakenError` where another writer commits meanwhile.
        """
        begin = from_scratch or found.version is None
        over = readable_version(self.engine.storage, self.folder) if begin else found.version
        reads, done = Watermark() if begin else found.reads, 0
        for parts in batches(new_parts(self.engine.storage, reads, pending_runs), self.engine.tasks_at_once):
            names = [part.named for part in parts]
            over, reads, begin = self._append(over, parts, names, begin=begin), with_parts(reads, names), False
            done += sum(_answers(part) for part in parts)
            progress(f"parsed {done:,} answers")
        if begin:
            over = self._append(over, [], [], begin=True)
        return Staged(over, with_closed(reads, pending_runs))

    def _append(self, over: int | None, parts: list[ReceiptPart], names: list[NamedPart], *, begin: bool) -> int:
        """Commit *parts* (*names*) after version *over*, in place of all rows to *begin*; returns the version."""
        chunks = [part.receipt.chunk for part in parts if part.receipt and part.receipt.chunk]
        check_chunks(self.engine.storage, chunks, self.engine.hashes([chunk.key for chunk in chunks]))
        user = {"parts": names, "parsing_fingerprint": self.code, "outcomes": sum(map(_answers, parts))}
        mode: Mode = "overwrite" if begin else "append"
        files = self._written(parts)
        return self.engine.commit(self.folder, files, self.schema, mode=mode, user=user, over=over).version

    def _written(self, parts: list[ReceiptPart]) -> list[DataFile]:
        """Files with a row for each outcome of *parts*; suspect ones have another, of a later append."""
        append_id = (time.time_ns() // 1_000_000 << 16) | random.getrandbits(16)
        outcomes = [(part, list(_outcome_rows(part, append_id))) for part in parts]
        # Only landed answers are worth their body; what was set aside stays in raw. What took several requests is put
        # together in Python.
        landed = [row for _, rows in outcomes for row in rows if row["state"] == State.LANDED and row["chunk"]]
        single = [row for row in landed if row["lines"] == 1]
        files: list[DataFile] = []
        if single:
            lines = self.engine.lines(sorted({row["chunk"] for row in single}))
            parsed = staged(lines, self.engine.rows(single, OUTCOMES), self.entity.shape, exactly=self._exactly)
            files = self.engine.write(parsed, self.folder)
        made = self.engine.read(self.folder, [file.path for file in files], self.schema)
        there = {row["sequence"] for row in single}
        if sum(file.rows for file in files) != len(single):
            there = {row["sequence"] for row in made.select("sequence").toLocalIterator()}
        files += self._put(self._missing(outcomes, there))
        if not all_null(files, "unparsed_line"):
            files += self._put(self._settled(row.asDict(), append_id + 1) for row in _unparsed(made).toLocalIterator())
        return files

    def _put(self, reread: Iterable[_ParsedAgain]) -> Iterator[DataFile]:
        schema = arrow_schema(self.schema)
        batches = (pa.RecordBatch.from_pylist([one.row for one in some], schema) for some in _bounded(reread))
        return write_batches(self.engine.storage, self.folder, pa.RecordBatchReader.from_batches(schema, batches))

    def _missing(
        self, outcomes: list[tuple[ReceiptPart, list[dict[str, Any]]]], there: set[int]
    ) -> Iterator[_ParsedAgain]:
        """The *outcomes* of parts that the engine made no row of; their lines are read in Python."""
        for part, all_rows in outcomes:
            rows = [row for row in all_rows if row["sequence"] not in there]
            landed = any(row["state"] == State.LANDED for row in rows)
            lines = _lines(self.engine.storage, part.receipt) if part.receipt is not None and landed else {}
            for row in rows:
                if row["state"] != State.LANDED:
                    yield _ParsedAgain(row, None, 0)
                    continue
                line = _whole(lines, row) if row["line"] is not None else None
                if line is None:
                    yield _ParsedAgain(row, Parsed({}, [Rejection("$", row["chunk"], "has no such line")]), 0)
                else:
                    yield _ParsedAgain({**row, "sha256": line.sha256}, line.parsed(self.entity.shape), len(line.body))

    def _settled(self, row: dict[str, Any], append_id: int) -> _ParsedAgain:
        unparsed = row.pop("unparsed_line")
        outcome = {**row, "fetched_at": _instant(row["fetched_at"]), "append_id": append_id}
        try:
            line = _ChunkLine(read_line(unparsed).bytes, row["sha256"])
        except LakeError:
            line = _ChunkLine(unparsed.encode(), None)
        return _ParsedAgain(outcome, line.parsed(self.entity.shape), len(line.body))


def batches(parts: Iterator[ReceiptPart], tasks: int) -> Iterator[list[ReceiptPart]]:
    """*parts* by the append that takes them, on an engine that runs so many *tasks* at the same time."""
    times = min(max(tasks // _TASKS_OF_A_BATCH, 1), _MOST_BATCHES_IN_ONE)
    batch: list[ReceiptPart] = []
    size = answers = 0
    for part in parts:
        batch.append(part)
        size += part.receipt.chunk.size if part.receipt and part.receipt.chunk else 0
        answers += _answers(part)
        if size >= BATCH_BYTES * times or answers >= BATCH_ANSWERS * times:
            yield batch
            batch, size, answers = [], 0, 0
    if batch:
        yield batch


def _answers(part: ReceiptPart) -> int:
    return len(part.receipt.outcomes) if part.receipt else 0


def _lines(storage: Storage, receipt: Receipt) -> dict[int, _ChunkLine]:
    """The lines of a receipt's chunk by the numbers that outcomes give them."""
    chunk = receipt.chunk
    if chunk is None:
        return {}
    found: dict[int, _ChunkLine] = {}
    for position, line in enumerate(raw_lines(chunk.key, get_named(storage, chunk.key, chunk.sha256, "a receipt"))):
        try:
            answer = read_line(line)
        except LakeError:
            found.setdefault(position, _ChunkLine(line, None))
            continue
        if answer.chunk == chunk.key:
            found[answer.line] = _ChunkLine(answer.bytes, answer.sha256)
    return found


def _whole(lines: dict[int, _ChunkLine], row: dict[str, Any]) -> _ChunkLine | None:
    """The record of *row*, put together from its *lines*; None where one is not there."""
    found = [lines[at] for at in range(row["line"], row["line"] + row["lines"]) if at in lines]
    if len(found) != row["lines"]:
        return None
    return _ChunkLine(whole_record([line.body for line in found]), found[0].sha256)


def _parts_of(commit: Commit) -> list[NamedPart]:
    """The parts of receipts that a commit holds."""
    return [(int(run), int(unit), int(part), str(mark)) for run, unit, part, mark in commit.user.get("parts", [])]


def _outcome_rows(part: ReceiptPart, batch: int) -> Iterator[dict[str, Any]]:
    if part.receipt is None:
        return
    chunk = part.receipt.chunk.key if part.receipt.chunk else None
    for position, outcome in enumerate(in_order(part.receipt.outcomes)):
        yield {
            "sequence": sequence_of(part.run, part.unit, part.part, position),
            "append_id": batch,
            "run": part.run,
            "unit": part.unit,
            "part": part.part,
            "chunk": chunk if outcome.line is not None else None,
            "line": outcome.line,
            "lines": outcome.lines,
            "requested_key": outcome.key,
            "id": outcome.id,
            "state": outcome.state.value,
            "cause": outcome.cause.value,
            "reason": outcome.reason,
            "fetched_at": _instant(outcome.fetched_at),
        }


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _bounded(reread: Iterable[_ParsedAgain]) -> Iterator[list[_ParsedAgain]]:
    some: list[_ParsedAgain] = []
    for one in reread:
        some.append(one)
        if len(some) >= _REREAD_AT_ONCE or sum(each.weight for each in some) >= _REREAD_BYTES:
            yield some
            some = []
    if some:
        yield some


def _unparsed(made: DataFrame) -> DataFrame:
    """The outcomes whose line may have lost a value in parsing."""
    # As text, because rows carry instants in this machine's own time zone.
    instant = F.col("fetched_at").cast("string").alias("fetched_at")
    outcomes = [instant if name == "fetched_at" else F.col(name) for name in OUTCOMES.names]
    return made.filter(F.col("unparsed_line").isNotNull()).select(*outcomes, "sha256", "unparsed_line")
