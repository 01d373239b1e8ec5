"""Access to S3: botocore with its own chain of credentials; retries are ours, so that each outcome is known."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from reelhouse.errors import ConfigError
from reelhouse.storage.credentials import Credentials
from reelhouse.storage.opening import S3Options
from reelhouse.storage.s3_errors import FAILURES, error_message, right_region, worth_another_try

T = TypeVar("T")

# AWS_MAX_ATTEMPTS and `max_attempts` of an AWS profile count it differently.
TRIES = 8
# Seconds after which no other try starts; plus the timeouts of one try, the longest time of a call.
RETRY_SECONDS = 30.0
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0

_chance = random.SystemRandom()

# botocore's descriptions of S3, read once: they are most of the cost of a client.
_descriptions = botocore.loaders.create_loader()


class S3Client:
    """One botocore client, created by the first request. `request` tries once; `retried` retries."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._guard = threading.Lock()
        self._made: Any = None
        self._session: Any = None
        self._tries = TRIES

    @property
    def endpoint(self) -> str:
        """S3's address, for messages."""
        parts = urlsplit(self.made().meta.endpoint_url)
        # The user may have put a name and a password before an `@`.
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def region(self) -> str:
        """The region of requests."""
        region = str(self.made().meta.region_name or "")
        return "us-east-1" if region in ("", "aws-global") else region

    def credentials(self) -> Credentials:
        """The caller's credentials, or `ConfigError`; botocore renews those that expire within ten minutes."""
        self.made()
        try:
            found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            keys = found.get_frozen_credentials()
        except BotoCoreError as exc:
            raise ConfigError(error_message(exc, self.endpoint, "").text) from exc
        return Credentials(keys.access_key, keys.secret_key, keys.token or "")

    def request(self, operation: str, **arguments: Any) -> Any:
        """One try of *operation* (`put_object`, …): returns botocore's response, or raises one of its errors."""
        return getattr(self.made(), operation)(**arguments)

    def retried(self, call: Callable[[], T], *, tries: int = 0) -> T:
        """Retry *call* with growing, random waits as long as that may help; then raise its last error."""
        self.made()
        tries = tries or self._tries
        ends = time.monotonic() + RETRY_SECONDS
        for done in range(1, tries + 1):
            try:
                return call()
            except FAILURES as exc:
                wait = _chance.uniform(0.5, 1.0) * min(_FIRST_WAIT * 2 ** (done - 1), _LONGEST_WAIT)
                if done == tries or time.monotonic() + wait > ends or not worth_another_try(exc):
                    raise
            time.sleep(wait)
        raise AssertionError("unreachable")

    def made(self) -> Any:
        """The botocore client, or `ConfigError` if its settings are invalid."""
        with self._guard:
            if self._made is None:
                try:
                    self._made = self._make()
                except (BotoCoreError, ValueError) as exc:
                    raise ConfigError(f"S3 cannot be used: {error_message(exc, 'S3', '').text}") from exc
            return self._made

    def _make(self) -> Any:
        self._session = session = botocore.session.Session(profile=self._options.profile or None)
        session.register_component("data_loader", _descriptions)
        self._tries = session.get_config_variable("max_attempts") or TRIES
        client = session.create_client("s3", region_name=self._options.region or None, config=_CONFIG)
        client.meta.events.register_first("needs-retry.s3", _stay_in_region)
        return client


_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    # An unknown outcome must be visible: botocore's own retry would turn our success into a 412.
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=32,
    tcp_keepalive=True,
    # Puts carry Content-MD5, which every S3 checks; many do not know the newer checksums.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    user_agent_extra="reelhouse",
)


def _stay_in_region(response: Any, operation: Any, **_: Any) -> None:
    """Fail instead of following a bucket to another region, as botocore would: that costs requests and traffic, and
    table engines do not follow."""
    if response is None or response[0] is None:
        return
    misplaced = response[0].status_code in (301, 307) or (response[0].status_code == 400 and right_region(response[1]))
    if misplaced:
        raise ClientError(response[1], operation.name)
