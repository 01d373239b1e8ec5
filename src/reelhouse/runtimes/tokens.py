"""TMDB's token: as it is set, or from where `ssm:/name` (Parameter Store) or `secret:id` (Secrets Manager) says.

What was read is kept for as long as the process lives, and is in no text that leaves it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from reelhouse.errors import ConfigError
from reelhouse.runtimes import aws
from reelhouse.settings import Settings

SSM, SECRET = "ssm:", "secret:"

_ARN = re.compile(r"arn:[a-z-]+:(?:ssm|secretsmanager):([a-z0-9-]+):")

# By where it lies. A rotated one is read again: `changed`.
_kept: dict[str, str] = {}


def token_of(settings: Settings) -> str:
    """The token, fit to be sent; `ConfigError` says in one line what is wrong with it or with reading it."""
    place = settings.token.strip()
    if not place.startswith((SSM, SECRET)):
        return settings.checked_token()
    if place not in _kept:
        found = _read(place, settings)
        try:
            _kept[place] = settings.overridden(token=found).checked_token()
        except ConfigError as exc:
            raise ConfigError(f"what lies in {place} is no token of TMDB's: {exc}") from None
    return _kept[place]


def changed(settings: Settings) -> bool:
    """Read the token again, where it lies elsewhere; whether it is another one now."""
    place = settings.token.strip()
    before = _kept.pop(place, None)
    return before is not None and token_of(settings) != before


def hidden(text: str, settings: Settings | None) -> str:
    """*text* without any token that this process knows."""
    plain = settings.token.strip() if settings else ""
    secrets = {*_kept.values(), *(() if plain.startswith((SSM, SECRET)) else (plain,))}
    for secret in secrets - {""}:
        text = text.replace(secret, "***")
    return text


def _read(place: str, settings: Settings) -> str:
    what = f"token: {place} cannot be read"
    arn = _ARN.search(place)
    try:
        if place.startswith(SSM):
            client = aws.client("ssm", profile=settings.s3_profile, region=arn[1] if arn else "")
            found = client.get_parameter(Name=place.removeprefix(SSM), WithDecryption=True)
            return str(found["Parameter"]["Value"]).strip()
        name, _, key = place.removeprefix(SECRET).partition("#")
        client = aws.client("secretsmanager", profile=settings.s3_profile, region=arn[1] if arn else "")
        text = client.get_secret_value(SecretId=name).get("SecretString")
    except aws.failures() as exc:
        refused = ConfigError(str(aws.refusal(what, exc)))
    else:
        return _field(place, text, key)
    raise refused


def _field(place: str, text: Any, key: str) -> str:
    """The token in a secret's text: the text itself, or what a JSON object holds under *key*, `token` or alone."""
    if not isinstance(text, str):
        raise ConfigError(f"token: {place} holds bytes, a text is expected")
    fields = _object(text)
    if fields is None:
        if key:
            raise ConfigError(f"token: {place} names a key, but the secret is no JSON object")
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
