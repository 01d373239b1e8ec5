"""Serves this process's AWS credentials to a local program, as containers get theirs: over HTTP on loopback.

The program requests them again when they expire, so a build may outlive credentials by hours, and no secret is in an
environment.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reelhouse.errors import ReelhouseError
from reelhouse.storage.credentials import Credentials, S3Access

# Less than the time that credentials are still valid when they are served.
_ASK_AGAIN = timedelta(minutes=5)

# Seconds in which a client must send its request.
_TIMEOUT = 10

_ENCRYPTIONS = {"sse-s3": "AES256", "sse-kms": "aws:kms"}


def engine_environ(
    access: S3Access, environ: Mapping[str, str], without: tuple[str, ...] = ("AWS_", "REELHOUSE_", "TMDB_")
) -> dict[str, str]:
    """*environ* for an engine that reaches S3 by *access*, with credentials from this process."""
    # boto3 has read the user's settings already; the engine would interpret some of them differently.
    found = {name: value for name, value in environ.items() if not name.startswith(without)}
    without_proxy = (environ.get("NO_PROXY"), environ.get("no_proxy"))
    found |= {
        **lend(access.credentials),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": access.region,
        "AWS_ENDPOINT": access.endpoint,
        "AWS_ALLOW_HTTP": "true" if access.endpoint.startswith("http://") else "false",
        # Else a proxy of the environment would see the credentials, which go over HTTP. Programs differ in which of the
        # two names they read.
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, (*without_proxy, "127.0.0.1")))),
    }
    if access.options.kms_key:
        return {**found, "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms", "AWS_SSE_KMS_KEY_ID": access.options.kms_key}
    if access.options.encryption:
        found["AWS_SERVER_SIDE_ENCRYPTION"] = _ENCRYPTIONS[access.options.encryption]
    return found


def lend(credentials: Callable[[], Credentials]) -> dict[str, str]:
    """Start the server; returns the environment that makes an AWS SDK use it, and nothing else."""
    word = secrets.token_urlsafe(32)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(credentials, word))
    threading.Thread(target=server.serve_forever, name="credentials", daemon=True).start()
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": word,
    }


def _answering(credentials: Callable[[], Credentials], word: str) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        # Any program on this machine may connect and send nothing.
        timeout = _TIMEOUT

        def do_GET(self) -> None:
            if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), word.encode()):
                self._answer(403, {"code": "AccessDenied", "message": "not authorized"})
                return
            try:
                lent = credentials()
            except ReelhouseError as exc:
                self._answer(500, {"code": "NoCredentials", "message": str(exc)})
                return
            ends = datetime.now(UTC) + _ASK_AGAIN
            self._answer(
                200,
                {
                    "AccessKeyId": lent.access_key,
                    "SecretAccessKey": lent.secret_key,
                    "Token": lent.token,
                    "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
                },
            )

        def _answer(self, status: int, fields: dict[str, Any]) -> None:
            body = json.dumps(fields).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *fields: object) -> None:
            """Log nothing."""

    return Answering
