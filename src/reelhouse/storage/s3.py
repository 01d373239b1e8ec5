"""A lake in a bucket of S3, or of a compatible service with conditional writes."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from reelhouse.errors import ConfigError, KeyTakenError, MissingKeyError, RefusedError, StorageError, without_user
from reelhouse.storage.credentials import S3Access
from reelhouse.storage.lease import LEASES, LeaseObject, held
from reelhouse.storage.opening import S3Options
from reelhouse.storage.protocol import COLLECTOR, Lost, Versioned, Work, check_key, check_prefix, is_key, unheard
from reelhouse.storage.s3_client import S3Client
from reelhouse.storage.s3_errors import FAILURES, code, error_message, outcome_unknown, status
from reelhouse.storage.s3_probe import BODY, PROBE, probe

T = TypeVar("T")

# Objects of this storage itself, which are not keys of the lake.
_OWN = frozenset({*LEASES.values(), PROBE})

# Random for each conditional write and kept with the object: if the response is lost, it tells our write from another
# writer's, even with the same bytes.
_WRITING = "reelhouse-writing"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")

_PROMISED: set[tuple[str, str, S3Options]] = set()


# By what a key ends with; everything else keeps the service's own.
_CONTENT_TYPES = {
    "json": "application/json",
    "gz": "application/gzip",
    "csv": "text/csv",
    "html": "text/html",
    "toml": "application/toml",
    "parquet": "application/vnd.apache.parquet",
}


# What S3's answers always have.
_ALWAYS = {
    "list_objects_v2": "IsTruncated",
    "list_object_versions": "IsTruncated",
    "list_multipart_uploads": "IsTruncated",
    "head_object": "ContentLength",
    "get_object": "ETag",
    "put_object": "ETag",
}
# The parameters of a listing's next page, by what the page before says of them.
_NEXT_PAGE = {
    "list_objects_v2": {"ContinuationToken": "NextContinuationToken"},
    "list_object_versions": {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"},
    "list_multipart_uploads": {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"},
}


class S3Storage:
    """Objects below `s3://bucket/prefix`; no request before the first call."""

    def __init__(self, address: str, options: S3Options) -> None:
        self._bucket, self._root = _parsed(address)
        self._options = options
        self._encryption = _encryption(options)
        self._client = S3Client(options)
        self._seen = threading.Event()

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._root}".rstrip("/")

    def get(self, key: str) -> bytes:
        return self._got(key)[0]

    def get_versioned(self, key: str) -> Versioned:
        body, answer = self._got(key)
        return Versioned(body, answer["ETag"])

    def size(self, key: str) -> int | None:
        answer = self._headed(check_key(key))
        return None if answer is None else int(answer["ContentLength"])

    def put(self, key: str, body: bytes) -> None:
        check_key(key)
        self._asked(key, lambda: self._put(key, body))

    def put_new(self, key: str, body: bytes) -> None:
        self.create(key, body)

    def put_if(self, key: str, body: bytes, version: str) -> None:
        self.swap(key, body, version)

    def delete(self, key: str) -> None:
        check_key(key)
        self._asked(key, lambda: self._request("delete_object", key))

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        # Not every S3 lists keys in order.
        return iter(sorted(key for key, _ in self._listed(prefix)))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        check_prefix(prefix)
        return self._listed(prefix)

    def delete_all_versions(self, key: str) -> None:
        check_key(key)
        entries = self._versions(key, "Versions", "DeleteMarkers")
        if entries is None:
            self.delete(key)
            return
        for version in [entry["VersionId"] for entry in entries if self._key(entry) == key]:
            self._erase(key, version)

    def list_all_versions(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        entries = self._versions(prefix, "Versions")
        if entries is None:
            return self.keys(prefix)
        return iter(sorted({*self._ours(entries)}))

    def delete_unfinished(self) -> None:
        # A put of ours is one request. Engines write large files in parts, which a killed one leaves.
        for upload in self._uploads():
            key = self._key(upload)
            self._asked(key, partial(self._request, "abort_multipart_upload", key, UploadId=upload["UploadId"]))
        if left := self._uploads():
            raise StorageError(f"{self.url}/{self._key(left[0])}: the unfinished upload could not be removed")

    def _uploads(self) -> list[Any]:
        try:
            return [each for page in self._pages("list_multipart_uploads", "") for each in page.get("Uploads", ())]
        except StorageError as exc:
            # A server that does not list them.
            if isinstance(exc.__cause__, ClientError) and status(exc.__cause__) == 501:
                return []
            raise

    def check(self) -> None:
        known = (self._client.endpoint, self.url, self._options)
        if known in _PROMISED:
            return
        try:
            probe(self._probe, self._client.endpoint)
        except FAILURES as exc:
            raise self._failed(PROBE, exc) from exc
        _PROMISED.add(known)

    def now(self) -> datetime:
        self._asked(PROBE, lambda: self._put(PROBE, BODY))
        return self._dated(self._got(PROBE)[1])

    def lock(
        self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR
    ) -> AbstractContextManager[None]:
        return held(self, self.url, seconds=seconds, lost=lost, of=of)

    def access(self) -> S3Access:
        """The access that an engine needs to open the same bucket."""
        client = self._client
        return S3Access(client.endpoint, client.region, self._options, client.credentials, self._bucket)

    def look(self, key: str) -> LeaseObject:
        """The object with its seconds of age by S3's own clock."""
        body, answer = self._got(key)
        return LeaseObject(body, answer["ETag"], (self._dated(answer) - answer["LastModified"]).total_seconds())

    def _dated(self, answer: Any) -> datetime:
        """When S3 sent an answer."""
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            sent = parsedate_to_datetime(date)
        except (ValueError, OverflowError) as exc:
            raise StorageError(f"{self.url}: S3 sends no valid time: {date[:60]!r}") from exc
        # `-0000` means UTC too, but parses without a zone.
        return sent if sent.tzinfo else sent.replace(tzinfo=UTC)

    def create(self, key: str, body: bytes) -> str:
        """As `put_new`; returns the version."""
        return self._put_where(key, body, "exists already", IfNoneMatch="*")

    def swap(self, key: str, body: bytes, version: str) -> str:
        """As `put_if`; returns the new version."""
        return self._put_where(key, body, "another writer changed it", IfMatch=version)

    def _put_where(self, key: str, body: bytes, otherwise: str, **condition: str) -> str:
        """Put *body* under *condition* and return its version, or raise `KeyTakenError`; checks an unknown outcome."""
        check_key(key)
        writing = secrets.token_hex(8)
        unknown = False

        def once() -> str:
            nonlocal unknown
            try:
                return self._put(key, body, Metadata={_WRITING: writing}, **condition)
            except FAILURES as exc:
                if _refused(exc):
                    # Only an earlier try can have been ours.
                    version = self._version_of(key, writing) if unknown else None
                    if version is None:
                        raise KeyTakenError(f"{self.url}/{key}: {otherwise}") from exc
                    return version
                unknown = unknown or outcome_unknown(exc)
                raise

        try:
            return self._client.retried(once)
        except FAILURES as exc:
            version = self._version_of(key, writing, tries=2) if unknown else None
            if version is None:
                raise self._failed(key, exc) from exc
            return version

    def _version_of(self, key: str, writing: str, *, tries: int = 0) -> str | None:
        """The version of *key* if it was written with that mark."""
        answer = self._headed(key, tries=tries)
        ours = answer is not None and answer["Metadata"].get(_WRITING) == writing
        return str(answer["ETag"]) if answer is not None and ours else None

    def _put(self, key: str, body: bytes, **arguments: Any) -> str:
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        kind = _CONTENT_TYPES.get(key.rpartition(".")[2])
        if kind:
            arguments["ContentType"] = kind
        answer = self._request("put_object", key, Body=body, ContentMD5=digest, **self._encryption, **arguments)
        return str(answer["ETag"])

    def _probe(self, **condition: str) -> str:
        return self._client.retried(lambda: self._put(PROBE, BODY, **condition))

    def _got(self, key: str) -> tuple[bytes, Any]:
        """The whole body, and S3's response."""
        check_key(key)

        def once() -> tuple[bytes, Any]:
            answer = self._request("get_object", key)
            with answer["Body"] as stream:
                # A body that ends early is a failure, and is requested again.
                return stream.read(), answer

        try:
            return self._client.retried(once)
        except FAILURES as exc:
            if code(exc) == "NoSuchKey":
                raise MissingKeyError(f"{self.url}/{key}: no such object") from None
            raise self._failed(key, exc) from exc

    def _headed(self, key: str, *, tries: int = 0) -> Any:
        """S3's metadata of the object, or None without one."""
        try:
            return self._client.retried(lambda: self._request("head_object", key), tries=tries)
        except FAILURES as exc:
            if status(exc) == 404:
                self._require_bucket(key)
                return None
            raise self._failed(key, self._explained(key, exc)) from exc

    def _require_bucket(self, key: str) -> None:
        """Tell a missing object from a missing bucket, because responses to HEAD have no message."""
        if not self._seen.is_set():
            # HeadBucket would need the right to list all of the bucket.
            self._asked(key, lambda: self._list_once("list_objects_v2", key))
            self._seen.set()

    def _explained(self, key: str, exc: Exception) -> Exception:
        """The failure with a message, if it came from HEAD, which has none."""
        if status(exc) in (400, 403):
            try:
                self._request("get_object", key, Range="bytes=0-0")
            except FAILURES as fuller:
                return fuller
        return exc

    def prefixes_nearby(self) -> list[str]:
        """As `Accessible.prefixes_nearby`."""
        above = f"{self._root.rstrip('/').rpartition('/')[0]}/".lstrip("/")
        found = {above}
        for prefix in {above, self._root}:
            where = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": "/"}
            answer = self._asked("", partial(self._client.request, "list_objects_v2", **where))
            found |= {entry["Prefix"] for entry in answer.get("CommonPrefixes", ())}
        return [f"s3://{self._bucket}/{prefix}".rstrip("/") for prefix in sorted(found)]

    def _listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        for answer in self._pages("list_objects_v2", prefix):
            entries = {self._key(entry): int(entry["Size"]) for entry in answer.get("Contents", ())}
            yield from ((key, size) for key, size in entries.items() if _is_ours(key))

    def _versions(self, prefix: str, *kinds: str) -> Iterator[Any] | None:
        """The entries of all versions; None if the server has no versions."""
        try:
            first = self._client.retried(lambda: self._list_once("list_object_versions", prefix))
        except FAILURES as exc:
            if status(exc) == 501:
                return None
            raise self._failed(prefix, exc) from exc
        pages = self._pages("list_object_versions", prefix, first)
        return (entry for answer in pages for kind in kinds for entry in answer.get(kind, ()))

    def _pages(self, operation: str, prefix: str, first: Any = None) -> Iterator[Any]:
        """The pages of a listing, of which the *first* may be known."""
        answer, page = first or self._list(operation, prefix), dict[str, str]()
        while True:
            yield answer
            if not answer["IsTruncated"]:
                return
            marks = {name: answer[mark] for name, mark in _NEXT_PAGE[operation].items() if answer.get(mark)}
            if not marks or marks == page:
                # The same page again and again, or what follows left out.
                raise StorageError(f"{self.url}/{prefix}: S3 does not say where the listing goes on")
            page = marks
            answer = self._list(operation, prefix, **page)

    def _erase(self, key: str, version: str) -> None:
        self._asked(key, lambda: self._request("delete_object", key, VersionId=version))

    def _list(self, operation: str, prefix: str, **page: str) -> Any:
        return self._asked(prefix, lambda: self._list_once(operation, prefix, **page))

    def _list_once(self, operation: str, prefix: str, **page: str) -> Any:
        answer = self._client.request(operation, Bucket=self._bucket, Prefix=self._root + prefix, **page)
        return self._whole(operation, prefix, answer)

    def _request(self, operation: str, key: str, **arguments: Any) -> Any:
        answer = self._client.request(operation, Bucket=self._bucket, Key=self._root + key, **arguments)
        self._seen.set()
        return self._whole(operation, key, answer)

    def _whole(self, operation: str, key: str, answer: Any) -> Any:
        """*answer*, unless a proxy gave it: an empty page with the status 200 would look like an empty listing."""
        if (member := _ALWAYS.get(operation, "ResponseMetadata")) not in answer:
            raise StorageError(
                f"{self.url}/{key}: an answer to {operation} has no {member}, so it is not S3's; see what answers at "
                f"{self._client.endpoint}"
            )
        return answer

    def _asked(self, key: str, call: Callable[[], T]) -> T:
        try:
            return self._client.retried(call)
        except FAILURES as exc:
            raise self._failed(key, exc) from exc

    def _failed(self, key: str, exc: Exception) -> StorageError:
        found = error_message(exc, self._client.endpoint, self._bucket)
        return (RefusedError if found.fixable else StorageError)(f"{self.url}/{key}: {found.text}")

    def _ours(self, entries: Iterable[Any]) -> Iterator[str]:
        """The valid keys of *entries*: consoles and other tools put names like `inbox/` for a folder."""
        return filter(_is_ours, map(self._key, entries))

    def _key(self, entry: Any) -> str:
        return str(entry["Key"]).removeprefix(self._root)


def _is_ours(key: str) -> bool:
    return key not in _OWN and is_key(key)


def _refused(exc: Exception) -> bool:
    """Whether the condition of a write failed, also because the object is gone."""
    return status(exc) == 412 or code(exc) == "NoSuchKey"


def _parsed(address: str) -> tuple[str, str]:
    """The bucket, and the prefix of all keys: empty or ending in `/`."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    prefix = prefix if prefix == "/" else prefix.removesuffix("/")
    if not _BUCKET.fullmatch(bucket):
        named = f", {bucket!r} is not a bucket name" if "@" not in address else "; keys do not belong in an address"
        raise ConfigError(f"lake = {without_user(address)!r}: s3://bucket/prefix is expected{named}")
    try:
        return bucket, f"{check_key(prefix)}/" if prefix else ""
    except StorageError:
        raise ConfigError(f"lake = {address!r}: s3://bucket/prefix is expected, {prefix!r} is not a prefix") from None


def _encryption(options: S3Options) -> dict[str, str]:
    """The encryption parameters of each put."""
    if options.encryption == "sse-s3":
        return {"ServerSideEncryption": "AES256"}
    if options.encryption == "sse-kms" or options.kms_key:
        key = {"SSEKMSKeyId": options.kms_key} if options.kms_key else {}
        return {"ServerSideEncryption": "aws:kms", **key}
    return {}
