"""What kind of thing a record is, by its top-level keys: files of the course never mix two.

Records of one kind may differ in optional keys: `credits` appended to some, `runtime` left out of others.
What is not a kind of TMDB's is compared with what came before: the same structure where half of all keys are shared.
"""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

ERROR = "error"
TITLE, OTHER = "title", "other"
_SHARED = 0.5


class RecordKind(NamedTuple):
    """A kind of TMDB's: it *needs* all of these keys and *one_of* those, and *lacks* these.

    *id_of* says whose the `id` is: a title's (which lists of ids name), something else's that comes but once, or "".
    """

    name: str
    needs: frozenset[str]
    one_of: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    id_of: str = TITLE


def _keys(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NAMED = "id and name"
# The first that fits holds.
KINDS = (
    RecordKind(ERROR, _keys("status_code status_message"), id_of=""),
    RecordKind("page of results", _keys("page results"), id_of=""),
    RecordKind("answer of find", _keys("movie_results tv_results"), id_of=""),
    RecordKind("movie in a list", _keys("title genre_ids")),
    RecordKind("series in a list", _keys("name genre_ids")),
    RecordKind("movie", _keys("title"), _keys("runtime budget revenue imdb_id genres")),
    RecordKind("season", _keys("episodes season_number"), id_of=OTHER),
    RecordKind("episode", _keys("episode_number season_number"), id_of=OTHER),
    RecordKind("series", _keys("name"), _keys("number_of_seasons episode_run_time first_air_date last_air_date")),
    RecordKind("person", _keys("name"), _keys("known_for_department birthday biography"), id_of=OTHER),
    RecordKind("collection", _keys("name parts"), id_of=OTHER),
    RecordKind("credits", _keys("cast crew"), lacks=_keys("title name")),
    RecordKind(_NAMED, _keys("id name"), id_of=""),
)


def kind_of(keys: Set[str]) -> RecordKind | None:
    """The kind of TMDB's that *keys* tell, None where they tell none."""
    for kind in KINDS:
        if kind.needs <= keys and not kind.lacks & keys and (not kind.one_of or kind.one_of & keys):
            # A genre, a keyword and the like; with anything else it is another thing.
            if kind.name == _NAMED and len(keys) > 2:
                continue
            return kind
    return None


class Structures:
    """Gives each record the name of its structure."""

    def __init__(self) -> None:
        self._others: list[tuple[str, frozenset[str]]] = []

    def name(self, keys: Set[str]) -> tuple[str, str]:
        """The structure of a record with *keys*, and whose its `id` is, as `RecordKind` says it."""
        if (kind := kind_of(keys)) is not None:
            return kind.name, kind.id_of
        for name, known in self._others:
            if len(known & keys) >= _SHARED * len(known | keys):
                return name, TITLE
        first = sorted(keys)
        name = f"{{{', '.join(first[:4])}{', …' if len(first) > 4 else ''}}}"
        if any(name == other for other, _ in self._others):
            name = f"{name} {len(self._others) + 1}"
        self._others.append((name, frozenset(keys)))
        return name, TITLE
