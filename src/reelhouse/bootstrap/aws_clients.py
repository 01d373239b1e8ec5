"""Clients of AWS services other than S3, created on first use, with boto3's own chain of credentials."""

from __future__ import annotations

import functools
import logging
from typing import Any

from reelhouse.errors import ReelhouseError


@functools.cache
def client(service: str, *, profile: str = "", region: str = "") -> Any:
    """A botocore client; *region* overrides that of the environment or the profile."""
    import botocore.session
    from botocore.config import Config

    # At DEBUG botocore logs bodies of responses, and with them the value of a parameter.
    logging.getLogger("botocore").setLevel(logging.INFO)
    session = botocore.session.Session(profile=profile or None)
    config = Config(
        connect_timeout=5,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": 4},
        user_agent_extra="reelhouse",
    )
    return session.create_client(service, region_name=region or None, config=config)


def failures() -> tuple[type[Exception], ...]:
    """The exceptions that a client may raise."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (ClientError, BotoCoreError)


def refusal(what: str, exc: Exception) -> ReelhouseError:
    """*what* failed, in one line with AWS's name of the error; never its message, which may quote a secret."""
    named = getattr(exc, "response", {}).get("Error", {}).get("Code", "")
    return ReelhouseError(f"{what}: {named or _LOCAL.get(type(exc).__name__, type(exc).__name__)}")


_LOCAL = {
    "NoCredentialsError": "no AWS credentials found",
    "NoRegionError": "no AWS region is set (AWS_REGION)",
    "ProfileNotFound": "the AWS profile does not exist: correct s3_profile or AWS_PROFILE",
    "EndpointConnectionError": "AWS cannot be reached",
    "ConnectTimeoutError": "AWS cannot be reached",
}
