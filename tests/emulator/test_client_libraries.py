"""Client libraries that others wrote for TMDB work against the emulator, for every kind of thing.

They are not dependencies of the project: `pip install tmdbsimple tmdbv3api tmdbapis` beside it runs these tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from reelhouse.emulator import Emulator

_KEY = "0123456789abcdef0123456789abcdef"
requests = pytest.importorskip("requests", reason="requests is not installed, nor are clients that need it")


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=60, series=40, seed=7) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def ids(tmdb: Emulator) -> dict[str, int]:
    """One thing of each kind: what a well-known movie and series mention."""

    def get(path: str) -> Any:
        return requests.get(f"{tmdb.url}/{path}", params={"api_key": _KEY}, timeout=10).json()

    movies = [row["id"] for row in get("movie/popular")["results"]]
    in_collection = (get(f"movie/{id_}") for id_ in movies)
    movie = next(one for one in in_collection if one["belongs_to_collection"] and one["production_companies"])
    series = next(
        one
        for one in (get(f"tv/{row['id']}") for row in get("tv/popular")["results"])
        if one["networks"] and any(season["season_number"] == 1 for season in one["seasons"])
    )
    return {
        "movie": movie["id"],
        "tv": series["id"],
        "person": get(f"movie/{movie['id']}/credits")["cast"][0]["id"],
        "collection": movie["belongs_to_collection"]["id"],
        "company": movie["production_companies"][0]["id"],
        "network": series["networks"][0]["id"],
        "keyword": next(word for id_ in movies for word in get(f"movie/{id_}/keywords")["keywords"])["id"],
    }


@pytest.fixture
def session(tmdb: Emulator) -> Any:
    """A session of `requests` that takes the emulator for TMDB, as these clients have its address in their code."""

    class ToEmulator(requests.adapters.HTTPAdapter):  # type: ignore[name-defined, misc]
        def send(self, request: Any, **how: Any) -> Any:
            request.url = f"{tmdb.address}{urlsplit(request.url)._replace(scheme='', netloc='').geturl()}"
            return super().send(request, **how)

    made = requests.Session()
    made.mount("https://api.themoviedb.org", ToEmulator())
    return made


def test_tmdbsimple(ids: dict[str, int], session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("tmdbsimple")
    monkeypatch.setattr(client, "API_KEY", _KEY)
    monkeypatch.setattr(client, "REQUESTS_SESSION", session)
    movie, series, person = client.Movies(ids["movie"]), client.TV(ids["tv"]), client.People(ids["person"])
    season, episode = client.TV_Seasons(ids["tv"], 1), client.TV_Episodes(ids["tv"], 1, 1)
    calls = {
        movie: "info alternative_titles changes credits external_ids images keywords lists recommendations "
        "release_dates reviews translations videos watch_providers latest now_playing popular top_rated upcoming",
        series: "info alternative_titles content_ratings aggregate_credits credits external_ids images keywords "
        "recommendations reviews screened_theatrically similar translations videos watch_providers latest "
        "airing_today on_the_air popular top_rated episode_groups",
        season: "info aggregate_credits credits external_ids images translations videos watch_providers",
        episode: "info credits external_ids images translations videos",
        person: "info changes movie_credits tv_credits combined_credits external_ids images tagged_images "
        "translations latest popular",
        client.Collections(ids["collection"]): "info images translations",
        client.Companies(ids["company"]): "info alternative_names images",
        client.Networks(ids["network"]): "info alternative_names images",
        client.Keywords(ids["keyword"]): "info movies",
        client.Changes(): "movie tv person",
        client.Genres(): "movie_list tv_list",
        client.Configuration(): "info countries jobs languages primary_translations timezones",
        client.Certifications(): "movie_list",
        client.WatchProviders(): "regions movie tv",
        client.Discover(): "movie tv",
        client.Trending("all", "day"): "info",
    }
    assert _failed(calls) == {}
    assert movie.info(append_to_response="credits,keywords")["credits"]["cast"]
    # `latest` has made another series of it.
    imdb = client.TV(ids["tv"]).external_ids()["imdb_id"]
    assert ids["tv"] in [row["id"] for row in client.Find(imdb).info(external_source="imdb_id")["tv_results"]]
    with pytest.raises(requests.HTTPError, match="404"):
        client.Movies(999_999_999).info()


def test_tmdbv3api(ids: dict[str, int], session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("tmdbv3api")
    for name, value in {"TMDB_API_KEY": _KEY, "TMDB_LANGUAGE": "en-US", "TMDB_CACHE_ENABLED": "False"}.items():
        monkeypatch.setenv(name, value)
    for name in ("page", "total_results", "total_pages"):
        # It keeps these there.
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(client.TMDb, "_session", session)
    titles = "alternative_titles changes credits external_ids images keywords recommendations reviews similar "
    parts = "details credits external_ids images translations videos"
    lists = "latest popular top_rated"
    every = {
        "movie": f"details {titles} lists release_dates translations videos watch_providers",
        "tv": f"details {titles} aggregate_credits content_ratings episode_groups screened_theatrically translations "
        "videos watch_providers",
        "person": "details changes movie_credits tv_credits combined_credits external_ids images tagged_images "
        "translations",
        "collection": "details images translations",
        "company": "details alternative_names images",
        "network": "details alternative_names images",
        "keyword": "details movies",
    }
    made = {kind: getattr(client, "TV" if kind == "tv" else kind.capitalize())() for kind in every}
    calls: dict[Any, str] = {(made[kind], ids[kind]): names for kind, names in every.items()}
    calls |= {
        (made["movie"],): f"{lists} now_playing upcoming",
        (made["tv"],): f"{lists} airing_today on_the_air",
        (made["person"],): "latest popular",
        (client.Season(), ids["tv"], 1): f"{parts} aggregate_credits",
        (client.Episode(), ids["tv"], 1, 1): parts,
        (client.Change(),): "movie_change_list tv_change_list person_change_list",
        (client.Genre(),): "movie_list tv_list",
        (client.Certification(),): "movie_list",
        (client.Provider(),): "available_regions movie_providers tv_providers",
        (client.Configuration(),): "api_configuration countries jobs languages primary_translations timezones",
        (client.Discover(), ()): "discover_movies discover_tv_shows",
        (client.Trending(),): "all_day movie_week tv_day person_week",
    }
    assert _failed(calls) == {}
    imdb = made["tv"].external_ids(ids["tv"])["imdb_id"]
    assert ids["tv"] in [row.id for row in client.Find().find_by_imdb_id(imdb).tv_results]
    with pytest.raises(client.exceptions.TMDbException, match="could not be found"):
        made["movie"].details(999_999_999)


def test_tmdbapis(ids: dict[str, int], session: Any) -> None:
    client = pytest.importorskip("tmdbapis")
    tmdb = client.TMDbAPIs(_KEY, session=session)
    movie, series, person = tmdb.movie(ids["movie"]), tmdb.tv_show(ids["tv"]), tmdb.person(ids["person"])
    assert movie.cast
    assert movie.companies
    assert series.seasons[-1].episodes
    assert person.name
    assert tmdb.collection(ids["collection"]).movies
    assert tmdb.company(ids["company"]).name
    assert tmdb.network(ids["network"]).name
    assert tmdb.keyword(ids["keyword"]).name
    assert tmdb.tv_episode(ids["tv"], 1, 1).name
    lists = "popular_movies top_rated_movies now_playing_movies upcoming_movies popular_people popular_tv top_rated_tv "
    lists += "tv_airing_today tv_on_the_air discover_movies discover_tv_shows movie_change_list latest_movie latest_tv "
    lists += "latest_person movie_genres tv_genres movie_certifications provider_regions movie_providers tv_providers"
    assert _failed({(tmdb,): lists}) == {}
    assert ids["tv"] in [one.id for one in tmdb.find_by_id(imdb_id=series.imdb_id).tv_results]
    with pytest.raises(client.NotFound):
        tmdb.movie(999_999_999)


def _failed(calls: dict[Any, str]) -> dict[str, str]:
    """What raises of calls: an object, or one with arguments, and the names of its methods."""
    failed = {}
    for whom, names in calls.items():
        thing, *arguments = whom if isinstance(whom, tuple) else (whom,)
        for name in names.split():
            try:
                getattr(thing, name)(*arguments)
            except Exception as exc:
                failed[f"{type(thing).__name__}.{name}"] = f"{type(exc).__name__}: {exc}"
    return failed
