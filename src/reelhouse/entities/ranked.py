"""Lists that TMDB ranks every day. Each page is a record, and the answers of all days stay in one table."""

from __future__ import annotations

from reelhouse.entities.schema import DAILY, Entity, Pages, Table, col, fixed

# The first 500 titles or people of each list.
_PAGES = 25

_LISTS = {
    "movie": ("popular", "top_rated", "now_playing", "upcoming", "trending_day", "trending_week"),
    "tv": ("popular", "top_rated", "airing_today", "on_the_air", "trending_day", "trending_week"),
    "person": ("popular", "trending_day", "trending_week"),
}


def _path(kind: str, name: str) -> str:
    trending, _, window = name.partition("_")
    path = f"/trending/{kind}/{window}" if trending == "trending" else f"/{kind}/{name}"
    return f"{path}?page={{id}}"


def _ranked(kind: str, name: str) -> Entity:
    called = "name" if kind != "movie" else "title"
    return Entity(
        name=f"{kind}_{name}",
        path=_path(kind, name),
        id_column="page",
        listing=Pages(_PAGES),
        core=frozenset(("page", "results")),
        stale_after_days=1,
        # After the reference lists, before all records: a day that is missed cannot be requested later.
        priority=2,
        group="lists",
        plural=f"{kind} {name.replace('_', ' ')} pages",
        tables=(
            Table(
                "list_daily",
                "TMDB's lists as they were ranked each day: popular, top rated, in cinemas, on the air, trending.",
                rows="results[]",
                inputs=(DAILY,),
                key=("day", "media_type", "list", "rank"),
                columns=(
                    fixed("media_type", kind, "movie, tv or person."),
                    fixed("list", name, "The list: popular, trending_day and so on."),
                    col("id", "bigint", "id", "The movie, series or person."),
                    col("title", "string", called, "Title or name in the requested language."),
                    col("popularity", "double", "popularity", "TMDB's popularity that day; not comparable over years."),
                    col("vote_average", "double", "vote_average", "Mean of the votes; NULL for people.", "0 to 10"),
                    col("vote_count", "bigint", "vote_count", "Number of votes; NULL for people.", "votes"),
                ),
            ),
        ),
    )


RANKED_LISTS: tuple[Entity, ...] = tuple(_ranked(kind, name) for kind, names in _LISTS.items() for name in names)
