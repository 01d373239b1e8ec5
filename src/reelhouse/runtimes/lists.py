"""Lists of ids that somebody put into a bucket: what is too long for an event comes as an object."""

from __future__ import annotations

from reelhouse.collect.asks import read_asks
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.runtimes import aws
from reelhouse.runtimes.events import ListedIn

# Half a million ids: what a function of 256 MB can take in at once.
MOST_BYTES = 4 << 20


def read_list(found: ListedIn, *, profile: str = "") -> tuple[str, ...]:
    """The distinct asks of the list, as `collect --ids` reads it. Raises `ReelhouseError` that names the object."""
    place = f"s3://{found.bucket}/{found.key}"
    body = _body(found, place, profile)
    try:
        asks = read_asks(body.decode()).asks
    except UnicodeDecodeError:
        raise ReelhouseError(f"{place} is no list of ids: it is no UTF-8") from None
    except ConfigError as exc:
        raise ReelhouseError(f"{place}: {exc}") from None
    if not asks:
        raise ReelhouseError(f"{place}: the list holds no id")
    return asks


def _body(found: ListedIn, place: str, profile: str) -> bytes:
    try:
        # Whatever lies there now: if it is a later list, its own event brings nothing new.
        answer = aws.client("s3", profile=profile).get_object(Bucket=found.bucket, Key=found.key)
        # One byte more, so that a wrong length cannot hide a long list.
        body: bytes = answer["Body"].read(MOST_BYTES + 1)
    except aws.failures() as exc:
        refused = aws.refusal(f"{place} cannot be read", exc)
    else:
        if len(body) > MOST_BYTES:
            raise ReelhouseError(f"{place} is larger than {MOST_BYTES >> 20} MB: split the list")
        return body
    raise refused
