"""Errors of S3 and of the connection, and what they mean: retry, outcome unknown, or a message for the user."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from botocore import exceptions
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

# A truncated body is an error of urllib3.
FAILURES: tuple[type[Exception], ...] = (
    exceptions.ClientError,
    exceptions.BotoCoreError,
    ResponseParserError,
    HTTPError,
)

# Two conditional writes collided: neither says that the key is taken nor that anything was written.
NOTHING_SETTLED = frozenset({"ConditionalRequestConflict", "OperationAborted"})

_AGAIN = NOTHING_SETTLED | {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestTimeout",
    "ServiceUnavailable",
    "InternalError",
    "BadDigest",
    "IncompleteBody",
}

_NEVER_SENT = (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyConnectionError)

_ON_THE_WAY = (
    exceptions.HTTPClientError,
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
    exceptions.IncompleteReadError,
    ResponseParserError,
    HTTPError,
)

_ACTIONS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject (for old versions s3:DeleteObjectVersion)",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}

_EXPIRED = "the AWS credentials have expired: sign in again (`aws sso login`) or renew them"
_NO_CREDENTIALS = (
    "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, sign in with `aws configure` or "
    "`aws sso login`, or name a profile in s3_profile"
)
_WRONG_KEYS = "the AWS access key or its secret is wrong"

_BY_CODE = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "InvalidToken": "the AWS session token is not valid: sign in again or unset AWS_SESSION_TOKEN",
    "InvalidAccessKeyId": _WRONG_KEYS,
    "SignatureDoesNotMatch": _WRONG_KEYS,
    "XAdminUserNotFound": _WRONG_KEYS,  # versitygw's code
    "AccountProblem": "AWS says that there is a problem with this account",
    "AllAccessDisabled": "AWS has disabled all access to this bucket",
    "RequestTimeTooSkewed": "this machine's clock is too far off for AWS: set it",
    "KMS.NotFoundException": "there is no such KMS key: correct s3_kms_key",
    "KMS.DisabledException": "the KMS key is disabled: enable it or correct s3_kms_key",
    "KMS.KMSInvalidStateException": "the KMS key cannot be used in its present state",
    "NotImplemented": "this S3 does not support the request",
}

_BY_CLASS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((exceptions.NoCredentialsError,), _NO_CREDENTIALS),
    ((exceptions.NoAuthTokenError,), _NO_CREDENTIALS),
    (
        # Lambda and EMR have a botocore of their own, which may be older than the last of these (1.41).
        (
            exceptions.SSOError,
            exceptions.TokenRetrievalError,
            getattr(exceptions, "LoginError", exceptions.TokenRetrievalError),
        ),
        "the AWS sign-in has ended or is missing: run `aws sso login` (with --profile for a named profile)",
    ),
    (
        (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError),
        "AWS credentials could not be fetched",
    ),
    ((exceptions.SSLError,), "the S3 endpoint's certificate is not trusted here (add it by AWS_CA_BUNDLE)"),
)


class ErrorMessage(NamedTuple):
    """One line for the user; *fixable* if the user must change something."""

    text: str
    fixable: bool


def code(exc: Exception) -> str:
    """S3's code of the error; empty if it is not an error of S3."""
    return str(_error(exc).get("Code", ""))


def status(exc: Exception) -> int:
    """The HTTP status, 0 without a response."""
    if not isinstance(exc, exceptions.ClientError):
        return 0
    return int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def worth_another_try(exc: Exception) -> bool:
    """Whether a retry of the same request may help."""
    if isinstance(exc, exceptions.ClientError):
        # 501: it never will; 507: it is full.
        passing = status(exc) >= 500 and status(exc) not in (501, 507)
        # S3 says what there is not, but to HEAD: of a body that was cut off, botocore makes the status a code.
        cut = code(exc) == "404" and not exc.operation_name.startswith("Head")
        return passing or cut or status(exc) == 429 or code(exc) in _AGAIN
    return isinstance(exc, _ON_THE_WAY) and not isinstance(exc, exceptions.SSLError)


def outcome_unknown(exc: Exception) -> bool:
    """Whether a write may have succeeded although this error came instead of the response."""
    if isinstance(exc, exceptions.ClientError):
        return status(exc) >= 500 or status(exc) < 300
    return not isinstance(exc, _NEVER_SENT)


def right_region(exc_or_answer: Exception | dict[str, Any]) -> str:
    """The region that S3 names instead of the requested one; empty if it names none."""
    answer = exc_or_answer
    if isinstance(answer, Exception):
        answer = getattr(answer, "response", {})
    error = answer.get("Error", {})
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(error.get("Region") or headers.get("x-amz-bucket-region") or "")


def error_message(exc: Exception, endpoint: str, bucket: str) -> ErrorMessage:
    """The message for the user, without keys, tokens, signatures or signed addresses."""
    if isinstance(exc, exceptions.ClientError):
        return _of_answer(exc, bucket)
    for kinds, text in _BY_CLASS:
        if isinstance(exc, kinds):
            return ErrorMessage(text, True)
    if isinstance(exc, exceptions.PartialCredentialsError):
        return ErrorMessage(
            f"the AWS credentials are incomplete: {exc.kwargs.get('cred_var', 'a part')} is missing", True
        )
    if isinstance(exc, exceptions.ProfileNotFound):
        return ErrorMessage(
            f"there is no AWS profile {exc.kwargs.get('profile', '')!r}: correct s3_profile or AWS_PROFILE", True
        )
    if isinstance(exc, _NEVER_SENT):
        return ErrorMessage(f"{endpoint} cannot be reached", False)
    if isinstance(exc, _ON_THE_WAY):
        return ErrorMessage(f"the connection to {endpoint} broke ({type(exc).__name__})", False)
    return ErrorMessage(f"{type(exc).__name__}: {_scrubbed(str(exc))}", True)


def _of_answer(exc: exceptions.ClientError, bucket: str) -> ErrorMessage:
    named = code(exc)
    if named in _BY_CODE:
        return ErrorMessage(_BY_CODE[named], True)
    if named == "NoSuchBucket":
        return ErrorMessage(f"there is no bucket {bucket!r}: create it or correct the lake's address", True)
    if region := _other_region(exc):
        return ErrorMessage(f"the bucket is in region {region}: set s3_region = {region!r}", True)
    if status(exc) in (301, 307):
        return ErrorMessage("the bucket is in another region: set s3_region", True)
    if status(exc) == 403:
        return ErrorMessage(f"access denied: {_action(exc)} is not allowed here", True)
    if worth_another_try(exc):
        return ErrorMessage(f"S3 answers {named or status(exc)} again and again", False)
    return ErrorMessage(f"S3 says {named}: {_scrubbed(str(_error(exc).get('Message', '')))}", status(exc) < 500)


def _other_region(exc: exceptions.ClientError) -> str:
    misplaced = status(exc) in (301, 307) or code(exc) in (
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    )
    return right_region(exc) if misplaced else ""


def _action(exc: exceptions.ClientError) -> str:
    # AWS names the missing action, which may be a key's: kms:GenerateDataKey.
    named = re.search(r"perform: ([\w-]+:\w+)", str(_error(exc).get("Message", "")))
    return named.group(1) if named else _ACTIONS.get(exc.operation_name, exc.operation_name)


def _error(exc: Exception) -> dict[str, Any]:
    return exc.response.get("Error", {}) if isinstance(exc, exceptions.ClientError) else {}


def _scrubbed(text: str) -> str:
    """The first line, without the parts of addresses before `@` and after `?`: names, passwords, signatures."""
    line = text.strip().partition("\n")[0]
    return re.sub(r"(?<=//)[^/\s]*@|\?\S*", "", line)[:300]
