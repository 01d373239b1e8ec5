"""TMDB's token: the value set, or read from a place.

Places are `ssm:/name` (Parameter Store), `secret:id` (Secrets Manager), `file:PATH` (its line `TMDB_TOKEN=…`) and
`keyring:reelhouse` (this machine's keyring).

A token that was read is kept until the process ends, and appears in no text that leaves it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reelhouse.bootstrap import aws_clients
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.logs import log
from reelhouse.settings import Settings

SSM, SECRET, FILE_PLACE = "ssm:", "secret:", "file:"
KEYRING_PLACE = "keyring:reelhouse"
_LOCAL = (FILE_PLACE, "keyring:")
ENV_FILE = ".env"
# Blanks are of that line alone: a value may be empty, and the next line another secret.
_LINE = re.compile(
    r"^(?P<before>[^\S\n]*(?:export[^\S\n]+)?)TMDB_TOKEN[^\S\n]*=[^\S\n]*"
    r"(?P<value>(?!#).*?)(?:[^\S\n]+#.*)?[^\S\n]*$",
    re.MULTILINE,
)
# Editors on Windows begin a file with the mark of UTF-8.
_ENCODING = "utf-8-sig"

_ARN = re.compile(r"arn:[a-z-]+:(?:ssm|secretsmanager):([a-z0-9-]+):")

# Tokens by the place they were read from. `changed` reads a rotated one again.
_kept: dict[str, str] = {}
# Every token that this process has used, for `hidden`.
_used: set[str] = set()


def token_of(settings: Settings) -> str:
    """The checked token; `ConfigError` says in one line what is wrong with it or with reading it."""
    place = settings.token.strip()
    if not place.startswith((SSM, SECRET, *_LOCAL)):
        token = settings.checked_token()
        _used.add(token)
        return token
    if place not in _kept:
        found = _read(place, settings)
        try:
            _kept[place] = settings.overridden(token=found).checked_token()
        except ConfigError as exc:
            raise ConfigError(f"{place} holds no token of TMDB's: {exc}") from None
        _used.add(_kept[place])
    return _kept[place]


def changed(settings: Settings) -> bool:
    """Read a token from ssm: or secret: again; returns whether it has changed."""
    place = settings.token.strip()
    before = _kept.pop(place, None)
    return before is not None and token_of(settings) != before


def hidden(text: str) -> str:
    """*text* without any token that this process has used."""
    for secret in _used:
        text = text.replace(secret, "***")
    return text


def safe(exc: Exception) -> Exception:
    """*exc* itself; if it or one of its causes quotes a token, an error without token and causes."""
    seen: list[BaseException] = []
    one: BaseException | None = exc
    while one is not None and one not in seen:
        seen.append(one)
        one = one.__cause__ or one.__context__
    texts = [f"{each} {each!r}" for each in seen]
    if all(hidden(text) == text for text in texts):
        return exc
    return ReelhouseError(hidden(f"{type(exc).__name__}: {exc}"))


def keep_in_file(token: str) -> None:
    """Write the token's line into `.env` of the working directory, which only this user may read."""
    path = Path(ENV_FILE)
    line = f"TMDB_TOKEN={token}"
    try:
        text = path.read_text(encoding=_ENCODING) if path.exists() else ""
        text += "\n" if text and not text.endswith("\n") else ""
        path.touch(mode=0o600)
        path.chmod(0o600)
        text, changed_lines = _LINE.subn(lambda found: f"{found['before']}{line}", text)
        path.write_text(text if changed_lines else f"{text}{line}\n", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ReelhouseError(f"{path} cannot be written: {exc}") from exc


def keep_in_keyring(token: str) -> None:
    """Put the token into this machine's keyring."""
    _keyring(lambda keyring: keyring.set_password("reelhouse", "TMDB_TOKEN", token))


def _keyring(use: Callable[[Any], Any]) -> Any:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise ConfigError("token: keyring is not installed in this environment: pip install keyring") from None
    try:
        return use(keyring)
    except keyring.errors.KeyringError as exc:
        raise ConfigError(f"token: this machine's keyring refuses: {type(exc).__name__}") from exc


def _here(place: str) -> str:
    """The token in a local place."""
    if place == KEYRING_PLACE:
        return str(_keyring(lambda keyring: keyring.get_password("reelhouse", "TMDB_TOKEN")) or "")
    if not place.startswith(FILE_PLACE):
        raise ConfigError(f"token: {KEYRING_PLACE} is the only place in a keyring")
    path = Path(place.removeprefix(FILE_PLACE)).expanduser()
    try:
        found = [one["value"] for one in _LINE.finditer(path.read_text(encoding=_ENCODING))]
        if os.name == "posix" and path.stat().st_mode & 0o077:
            log.warning("others on this machine may read %s, which holds TMDB's token: chmod 600 %s", path, path)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"token: {path} cannot be read: {getattr(exc, 'strerror', None) or 'it is not UTF-8'}"
        ) from exc
    if not found:
        raise ConfigError(f"token: {path} has no line TMDB_TOKEN=…")
    # Of several, shells take the last one too.
    return found[-1].strip("\"'")


def _read(place: str, settings: Settings) -> str:
    if place.startswith(_LOCAL):
        return _here(place)
    what = f"token: {place} cannot be read"
    arn = _ARN.search(place)
    try:
        if place.startswith(SSM):
            client = aws_clients.client("ssm", profile=settings.s3_profile, region=arn[1] if arn else "")
            found = client.get_parameter(Name=place.removeprefix(SSM), WithDecryption=True)
            return str(found["Parameter"]["Value"]).strip()
        name, _, key = place.removeprefix(SECRET).partition("#")
        client = aws_clients.client("secretsmanager", profile=settings.s3_profile, region=arn[1] if arn else "")
        text = client.get_secret_value(SecretId=name).get("SecretString")
    except aws_clients.failures() as exc:
        refused = ConfigError(str(aws_clients.refusal(what, exc)))
    else:
        return _field(place, text, key)
    raise refused


def _field(place: str, text: Any, key: str) -> str:
    """The token in a secret's text: the text itself, or a JSON object's value of *key*, `token` or its only key."""
    if not isinstance(text, str):
        raise ConfigError(f"token: {place} holds bytes, a text is expected")
    fields = _object(text)
    if fields is None:
        if key:
            raise ConfigError(f"token: {place} names a key, but the secret is not a JSON object")
        return text.strip()
    only = next(iter(fields)) if len(fields) == 1 else "token"
    found = fields.get(key or only)
    if not isinstance(found, str):
        raise ConfigError(f"token: the secret of {place} has several keys; name one, as in {SECRET}id#key")
    return found.strip()


def _object(text: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
