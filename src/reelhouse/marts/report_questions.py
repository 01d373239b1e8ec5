"""What a report asks of a lake, in Spark SQL, and how it draws the answers.

A question whose tables a lake lacks is left out. Each gives rows of groups, never one a title, so that a report stays
small however large the lake is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from reelhouse.marts.example_queries import QUESTIONS, Question

COVERAGE = "Coverage over time"
EARNS = "What earns"
LIKED = "What is liked"
WHO = "Who"
WHERE = "Where"
WATCHED = "How it is watched"
MOVES = "What moves"
SERIES = "Series"

# Sections of the answers, in their order; coverage belongs to what the lake holds.
SECTIONS = (EARNS, LIKED, WHO, WHERE, WATCHED, MOVES, SERIES)

_ROI = "sum(f.profit_usd) / sum(f.budget_usd)"
_EXAMPLES = {question.name: question for question in QUESTIONS}
_DIRECTORS = _EXAMPLES["best_directors"]


def _shares(column: str, words: str) -> str:
    return f"""
select d.decade, '{words}' as field, round(avg(case when f.{column} is null then 0.0 else 1.0 end), 4) as share_known
from fact_movie f join dim_date d on d.date_key = f.release_date_key
group by d.decade""".strip()


def _roi_by(group: str, order: str, joins: str = "") -> str:
    """Pooled return on investment of movies whose budget and revenue are known."""
    return f"""
select {group},
       count(*) as movies,
       round(sum(f.budget_usd) / 1e6, 1) as budget_musd,
       round(sum(f.revenue_usd) / 1e6, 1) as revenue_musd,
       round({_ROI}, 2) as roi
from fact_movie f{joins}
where f.roi is not null
group by {order}
order by {order}""".strip()


def _score_by(group: str, order: str, joins: str = "", where: str = "") -> str:
    return f"""
select {group},
       count(*) as movies,
       sum(f.votes) as votes,
       round(avg(f.weighted_rating), 2) as weighted_rating
from fact_movie f{joins}
where f.votes > 0{where}
group by {order}
order by {order}""".strip()


# With the genres of few movies, which a chart shows with their number.
_BY_GENRE = re.sub(r".* as revenue_full,\n|having .*\n", "", _EXAMPLES["roi_by_genre"].query) + "\nlimit 25"
_IN_DATES = " join dim_date d on d.date_key = f.release_date_key"
_TIER = (
    "case when f.budget_usd < 1e6 then 1 when f.budget_usd < 1e7 then 2 when f.budget_usd < 5e7 then 3 "
    "when f.budget_usd < 1e8 then 4 else 5 end"
)
_TIER_NAME = (
    f"case {_TIER} when 1 then 'under 1 million' when 2 then '1 to 10 million' when 3 then '10 to 50 million' "
    "when 4 then '50 to 100 million' else '100 million and more' end"
)
_BAND = "least(cast(floor(f.runtime_minutes / 30) * 30 as int), 210)"

MOVIE_QUESTIONS = (
    Question(
        "releases_by_year",
        "Movies by year of release",
        """
select d.year, count(*) as movies
from fact_movie f join dim_date d on d.date_key = f.release_date_key
group by d.year order by d.year""".strip(),
        COVERAGE,
        "Each point is a year: how many movies of this lake were first released in it.",
        "line",
        x="year",
        y="movies",
        labels=("year of release", "movies"),
    ),
    Question(
        "known_by_decade",
        "Share of movies with a known budget, revenue and runtime",
        "\nunion all\n".join(
            (_shares("budget_usd", "budget"), _shares("revenue_usd", "revenue"), _shares("runtime_minutes", "runtime"))
        )
        + "\norder by decade, field",
        COVERAGE,
        "Each line is a field. TMDB knows the runtime of most movies and the money of few.",
        "line",
        x="decade",
        y="share_known",
        color="field",
        labels=("decade of release", "share known"),
        percent=True,
    ),
    replace(
        _EXAMPLES["roi_by_genre"],
        title="Return on investment by genre",
        query=_BY_GENRE,
        section=EARNS,
        about="Profit per dollar of budget, where both are known. A movie's money is divided over its genres.",
        mark="bar",
        x="roi",
        y="genre",
        labels=("profit per dollar", ""),
    ),
    Question(
        "roi_by_budget",
        "Return on investment by size of the budget",
        _roi_by(f"{_TIER_NAME} as budget", f"{_TIER}").replace("group by ", f"group by {_TIER_NAME}, ", 1),
        EARNS,
        "Profit per dollar of budget of all movies in a tier, in US dollars.",
        "bar",
        x="roi",
        y="budget",
        labels=("profit per dollar", ""),
    ),
    Question(
        "roi_by_month",
        "Return on investment by month of release",
        _roi_by("d.month_name as month", "d.month, d.month_name", _IN_DATES),
        EARNS,
        "Profit per dollar of budget of all movies that were first released in a month.",
        "column",
        x="month",
        y="roi",
        labels=("", "profit per dollar"),
    ),
    Question(
        "score_by_genre",
        "Score by genre",
        _score_by(
            "g.name as genre",
            "g.genre_id, g.name",
            " join bridge_movie_genre b on b.movie_id = f.movie_id join dim_genre g on g.genre_id = b.genre_id",
        ).replace("order by g.genre_id, g.name", "order by weighted_rating desc, genre\nlimit 25"),
        LIKED,
        "Mean weighted rating, 0 to 10: few votes count little.",
        "dot",
        x="weighted_rating",
        y="genre",
        labels=("weighted rating", ""),
    ),
    Question(
        "score_by_decade",
        "Score by decade of release",
        _score_by("d.decade", "d.decade", _IN_DATES),
        LIKED,
        "Mean weighted rating of the movies of a decade.",
        "line",
        x="decade",
        y="weighted_rating",
        labels=("decade of release", "weighted rating"),
    ),
    Question(
        "score_by_runtime",
        "Score by runtime",
        _score_by(f"{_BAND} as from_minutes", _BAND, where=" and f.runtime_minutes is not null"),
        LIKED,
        "Mean weighted rating of movies by length, in steps of 30 minutes.",
        "line",
        x="from_minutes",
        y="weighted_rating",
        labels=("minutes, from", "weighted rating"),
    ),
    replace(
        _DIRECTORS,
        title="Directors of three movies or more",
        section=WHO,
        about="Directors by the mean weighted rating of their movies.",
        mark="dot",
        x="weighted_rating",
        y="director",
        labels=("weighted rating", ""),
    ),
    Question(
        "busiest_actors",
        "Actors by leading roles",
        """
select p.name as actor, count(*) as movies, round(avg(f.weighted_rating), 2) as weighted_rating
from (select distinct movie_id, person_id from fact_credit where credit_type = 'cast' and billing < 5) c
join dim_person p on p.person_id = c.person_id
join fact_movie f on f.movie_id = c.movie_id
group by p.person_id, p.name
having count(*) >= 2
order by movies desc, weighted_rating desc, actor
limit 15""".strip(),
        WHO,
        "Movies in which an actor is among the first five of the cast; two or more.",
        "bar",
        x="movies",
        y="actor",
        labels=("movies", ""),
    ),
    Question(
        "co_stars",
        "Actors who play together",
        """
with leads as (
  select distinct movie_id, person_id from fact_credit
  where credit_type = 'cast' and billing < 5 and person_id is not null
),
pairs as (
  select a.person_id as one, b.person_id as other, count(*) as movies
  from leads a join leads b on b.movie_id = a.movie_id and a.person_id < b.person_id
  group by a.person_id, b.person_id
  having count(*) >= 2
)
select concat(p.name, ' and ', q.name) as pair, x.movies
from pairs x join dim_person p on p.person_id = x.one join dim_person q on q.person_id = x.other
order by x.movies desc, pair
limit 12""".strip(),
        WHO,
        "Pairs who are among the first five of the cast of two movies or more.",
        "bar",
        x="movies",
        y="pair",
        labels=("movies together", ""),
    ),
    Question(
        "by_country",
        "Producing countries",
        """
select coalesce(c.name, c.iso_3166_1) as country,
       count(*) as movies,
       round(sum(f.revenue_usd * b.weight) / 1e6, 1) as revenue_musd,
       round(avg(f.weighted_rating), 2) as weighted_rating
from bridge_movie_country b
join dim_country c on c.iso_3166_1 = b.iso_3166_1
join fact_movie f on f.movie_id = b.movie_id
group by c.iso_3166_1, c.name
order by movies desc, country
limit 15""".strip(),
        WHERE,
        "Movies by the countries that produced them; the rows also have their box office in millions of US dollars.",
        "bar",
        x="movies",
        y="country",
        labels=("movies", ""),
    ),
    Question(
        "by_language",
        "Original languages",
        """
select coalesce(l.english_name, f.original_language) as language,
       count(*) as movies,
       round(count(*) / sum(count(*)) over (), 4) as share
from fact_movie f left join dim_language l on l.iso_639_1 = f.original_language
group by f.original_language, l.english_name
order by movies desc, language
limit 12""".strip(),
        WHERE,
        "Share of all movies by the language they were made in.",
        "bar",
        x="share",
        y="language",
        labels=("share of movies", ""),
        percent=True,
    ),
    Question(
        "offers_by_country",
        "Where and how movies can be watched",
        """
with offers as (
  select iso_3166_1, monetization_type, count(distinct movie_id) as movies
  from watch_provider_offer group by iso_3166_1, monetization_type
),
countries as (select iso_3166_1, sum(movies) as n from offers group by iso_3166_1 order by n desc, iso_3166_1 limit 12)
select coalesce(d.name, o.iso_3166_1) as country, o.monetization_type as offer, o.movies
from offers o join countries c on c.iso_3166_1 = o.iso_3166_1 left join dim_country d on d.iso_3166_1 = o.iso_3166_1
order by c.n desc, country, offer""".strip(),
        WATCHED,
        "Movies on offer by country and kind of offer; the darker, the more. Data by JustWatch.",
        "heat",
        x="offer",
        y="country",
        value="movies",
        labels=("kind of offer", ""),
    ),
    Question(
        "providers",
        "Providers with the most movies",
        """
select p.name as provider, count(distinct o.movie_id) as movies, count(distinct o.iso_3166_1) as countries
from watch_provider_offer o join dim_watch_provider p on p.provider_id = o.provider_id
group by p.provider_id, p.name
order by movies desc, provider
limit 12""".strip(),
        WATCHED,
        "Movies that a provider offers in at least one country. Data by JustWatch.",
        "bar",
        x="movies",
        y="provider",
        labels=("movies", ""),
    ),
    Question(
        "popularity_by_day",
        "Popularity by day of today's ten most popular movies",
        """
with top as (
  select id from popularity_daily
  where kind = 'movie' and day = (select max(day) from popularity_daily where kind = 'movie')
  order by popularity desc, id limit 10
)
select cast(p.day as string) as day, coalesce(p.original_title, cast(p.id as string)) as movie,
       round(p.popularity, 1) as popularity
from popularity_daily p join top t on t.id = p.id
where p.kind = 'movie' and p.day > (select date_sub(max(day), 60) from popularity_daily where kind = 'movie')
order by day, popularity desc""".strip(),
        MOVES,
        "From TMDB's daily exports, at most 60 days; a lake has the days on which it was collected.",
        "line",
        x="day",
        y="popularity",
        color="movie",
        labels=("day", "popularity"),
    ),
    Question(
        "movers",
        "Movies that moved most since the export before",
        """
with days as (select distinct day from popularity_daily where kind = 'movie' order by day desc limit 2),
latest as (
  select id, original_title, popularity from popularity_daily
  where kind = 'movie' and day = (select max(day) from days)
),
previous as (
  select id, popularity from popularity_daily
  where kind = 'movie' and day = (select min(day) from days having count(*) = 2)
)
select coalesce(l.original_title, cast(l.id as string)) as movie,
       round(l.popularity - p.popularity, 2) as gained
from latest l join previous p on p.id = l.id
where l.popularity <> p.popularity
order by abs(l.popularity - p.popularity) desc, movie
limit 12""".strip(),
        MOVES,
        "Popularity gained or lost between the last two exports in this lake.",
        "bar",
        x="gained",
        y="movie",
        labels=("popularity gained", ""),
    ),
)

TV_QUESTIONS = (
    Question(
        "series_by_year",
        "Series by year of the first broadcast",
        """
select d.year, count(*) as series
from fact_tv f join dim_date d on d.date_key = f.first_air_date_key
group by d.year order by d.year""".strip(),
        COVERAGE,
        "Each point is a year: how many series of this lake were first broadcast in it.",
        "line",
        x="year",
        y="series",
        labels=("year of the first broadcast", "series"),
    ),
    Question(
        "series_by_seasons",
        "How long series run",
        """
with lengths as (
  select least(season_count, 10) as n, count(*) as series, sum(episode_count) as episodes
  from fact_tv where season_count is not null group by least(season_count, 10)
)
select case when n = 10 then '10 or more' else cast(n as string) end as seasons, series, episodes
from lengths order by n""".strip(),
        SERIES,
        "Series by their number of seasons; the rows also have their episodes.",
        "column",
        x="seasons",
        y="series",
        labels=("seasons", "series"),
    ),
    Question(
        "episodes_by_year",
        "Episodes by year of broadcast",
        """
select d.year, count(*) as episodes
from fact_episode f join dim_date d on d.date_key = f.air_date_key
group by d.year order by d.year""".strip(),
        SERIES,
        "Each point is a year: how many episodes of this lake were broadcast in it.",
        "line",
        x="year",
        y="episodes",
        labels=("year of broadcast", "episodes"),
    ),
    Question(
        "networks",
        "Networks with the most series",
        """
select n.name as network, count(*) as series, round(avg(f.weighted_rating), 2) as weighted_rating
from bridge_tv_network b
join dim_network n on n.network_id = b.network_id
join fact_tv f on f.tv_id = b.tv_id
group by n.network_id, n.name
order by series desc, network
limit 12""".strip(),
        SERIES,
        "Series by the networks that show them; the rows also have their mean weighted rating.",
        "bar",
        x="series",
        y="network",
        labels=("series", ""),
    ),
    Question(
        "series_score_by_genre",
        "Score of series by genre",
        """
select g.name as genre, count(*) as series, round(avg(f.weighted_rating), 2) as weighted_rating
from fact_tv f
join bridge_tv_genre b on b.tv_id = f.tv_id
join dim_genre g on g.genre_id = b.genre_id
where f.votes > 0
group by g.genre_id, g.name
order by weighted_rating desc, genre
limit 25""".strip(),
        SERIES,
        "Mean weighted rating, 0 to 10: few votes count little.",
        "dot",
        x="weighted_rating",
        y="genre",
        labels=("weighted rating", ""),
    ),
)

REPORT_QUESTIONS = (*MOVIE_QUESTIONS, *TV_QUESTIONS)

POSTERS = """
select d.title, concat('https://image.tmdb.org/t/p/w185', d.poster_path) as address
from dim_movie d join fact_movie f on f.movie_id = d.movie_id
where d.poster_path is not null
order by f.popularity desc, d.movie_id
limit 12""".strip()
