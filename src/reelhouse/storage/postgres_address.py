"""Addresses of PostgreSQL without passwords, for display, even if an address is malformed."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

MISREAD = "it contains reserved characters: in a user or password write %40 for @, %2F for /, %3F for ?, %23 for #"


def misread(url: str) -> bool:
    """Whether *url* may contain a password that does not end where it was meant to: then it cannot be shown."""
    try:
        return url.count("@") > urlsplit(url).netloc.count("@") or urlsplit(url).netloc.count("@") > 1
    except ValueError:
        return True


def shown(url: str) -> str:
    """*url* without its password."""
    if misread(url):
        return f"{url.partition('://')[0]}://..."
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = urlencode([pair for pair in parse_qsl(parts.query) if _secret_in(pair) is None])
    return urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, query, ""))


# Functions that others have put into the schemas of a search path may be called in place of PostgreSQL's own: by the
# driver too, which asks for types when it connects.
_SEARCH_PATH = "-csearch_path=pg_catalog"

# A pooler may drop what a connection begins with. Until it is known that it did not, nothing else may be asked.
FIRST_SEARCH_PATH = "select setting from pg_catalog.pg_settings where name operator(pg_catalog.=) 'search_path'"
POOLED = (
    "a pooler refuses or drops the search path that connections begin with (`options`); if it drops it, the driver may "
    "have called functions of others already: take the address of PostgreSQL itself, or a role with "
    "`alter role ... set search_path = pg_catalog`"
)

# Sets the search path of the user, by which views and triggers find what they use: after this, only functions and
# operators may be called that PostgreSQL has for the very types.
USUAL_SEARCH_PATH = """
select set_config('search_path', coalesce((
    select substring(one from 13) from pg_db_role_setting s, unnest(s.setconfig) one
    where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      and s.setrole in (0, (select oid from pg_roles where rolname = session_user)) and one like 'search_path=%'
    order by (s.setrole <> 0) desc, (s.setdatabase <> 0) desc limit 1
), '"$user", public'), false)
"""


def why_refused(url: str, said: str) -> str:
    """Why there is no connection to *url*, by what the driver *said*; never with a password."""
    if misread(url):
        return MISREAD
    if "unsupported startup parameter" in said:
        return POOLED
    if "statement timeout" in said:
        return "the role's statement_timeout ends what the driver asks first; `alter role` can raise it"
    return Secrets(url).hide(said.replace(url, "***"))


_LOST = re.compile(
    "server closed the connection|connection to client lost|terminating connection|no connection to the server|"
    "could not (send data to|receive data from) server|connection (reset|not open)|broken pipe|ssl syscall error|"
    "timed out",
    re.IGNORECASE,
)
_LOST_STATES = ("57P01", "57P02", "57P03", "08000", "08003", "08006")


def is_lost(message: str, state: str | None) -> bool:
    """Whether the connection has ended, by an error's *message* and the SQLSTATE *state* that it may have."""
    # Or the driver failed without a word of the server's.
    alone = "Failed to prepare query" in message or "Failed to execute query" in message
    unanswered = not state and alone and not re.search("ERROR|FATAL|PANIC", message)
    return state in _LOST_STATES or unanswered or _LOST.search(message) is not None


def guarded(url: str) -> str:
    """*url* with a search path on which only PostgreSQL's own functions are; unchanged if it is not an address."""
    try:
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return url
    options = [value for name, value in query if name == "options"]
    others = [pair for pair in query if pair[0] != "options"]
    # libpq does not read + as a blank.
    whole = urlencode([*others, ("options", " ".join([*options, _SEARCH_PATH]))], quote_via=quote)
    return f"{url.partition('?')[0]}?{whole}"


class Secrets:
    """The parts of an address that must not appear in an error."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            found = [parts.netloc.rpartition("@")[0].partition(":")[2]]
            found += filter(None, map(_secret_in, parse_qsl(parts.query)))
        except ValueError:
            found = [url]
        # libpq splits malformed addresses, so a part of the password may appear alone.
        forms = [form for text in found for form in (text, unquote(text), quote(text, safe=""))]
        self._words = sorted(filter(None, (word for form in forms for word in (form, *form.split()))), key=len)

    def hide(self, text: str) -> str:
        for word in reversed(self._words):
            text = text.replace(word, "***")
        return text


_PASSWORD = re.compile("password[^=]*=(.*)", re.IGNORECASE | re.DOTALL)


def _secret_in(pair: tuple[str, str]) -> str | None:
    """The password in a pair of an address's query; where `;` stands for `&`, a value holds pairs."""
    found = _PASSWORD.search("=".join(pair))
    return found[1] if found else None
