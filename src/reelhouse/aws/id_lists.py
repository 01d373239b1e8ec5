"""Lists of ids in a bucket, for lists that are too long for an event."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from reelhouse.aws.events import ListedIn
from reelhouse.bootstrap import aws_clients
from reelhouse.collect.id_lists import KeyList, Reading, read_keys
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.strict_csv import escape_of

# Half a million ids: what a function of 256 MB can read.
MOST_BYTES = 4 << 20


def read_list(found: ListedIn, entity_of: Callable[[str], str], *, profile: str = "") -> tuple[str, KeyList]:
    """A name, and the list as `collect --ids` reads it; the object's metadata gives the options of that command.

    The name is the same for each delivery of an event, by any service. A later list under the same key has another one.

    *entity_of* returns what the list is about by the `entity` of the metadata, which may be empty.

    Raises `ReelhouseError` that names the object.
    """
    place = f"s3://{found.bucket}/{found.key}"
    body, answer = _body(found, place, profile)
    metadata = answer.get("Metadata") or {}
    try:
        listed = read_keys(body, _reading({**metadata, "entity": entity_of(metadata.get("entity", ""))}))
    except ReelhouseError as exc:
        raise ReelhouseError(f"{place}: {exc}") from None
    if not listed.keys:
        raise ReelhouseError(f"{place}: the list has no ids")
    # What was read, not what the event says of it: another list may be there by now.
    state = (*found, str(answer.get("VersionId")), answer["ETag"], str(answer["LastModified"]))
    name = "s3-" + hashlib.sha256("\0".join(state).encode()).hexdigest()[:32]
    return name, listed


def _reading(metadata: dict[str, str]) -> Reading:
    for name in ("quotes", "all-kinds"):
        if metadata.get(name, "no") not in ("yes", "no"):
            raise ConfigError(f"metadata {name}: yes or no is expected, not {metadata[name]!r}")
    return Reading(
        metadata.get("column"),
        metadata.get("quotes", "yes") == "yes",
        escape_of(metadata.get("escape", "")),
        metadata.get("all-kinds", "no") == "no",
        metadata["entity"],
        say_column="`aws s3 cp --metadata column={}`",
        say_quotes="`aws s3 cp --metadata quotes=no`",
        say_escape='`aws s3 cp --metadata \'{"escape":"\\\\"}\'`',
        say_kinds="`aws s3 cp --metadata all-kinds=yes`",
    )


def _body(found: ListedIn, place: str, profile: str) -> tuple[bytes, dict[str, Any]]:
    try:
        # The current version: if it is a later list, its own event adds nothing new.
        answer: dict[str, Any] = aws_clients.client("s3", profile=profile).get_object(
            Bucket=found.bucket, Key=found.key
        )
        # One byte more, so that a wrong length cannot hide a long list.
        body: bytes = answer["Body"].read(MOST_BYTES + 1)
    except aws_clients.failures() as exc:
        refused = aws_clients.refusal(f"{place} cannot be read", exc)
    else:
        if len(body) > MOST_BYTES:
            raise ReelhouseError(f"{place} is larger than {MOST_BYTES >> 20} MB: split the list")
        return body, answer
    raise refused
