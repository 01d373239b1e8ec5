"""Example queries over tables and marts, in Spark SQL: those of the demo, and what all questions share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """*query* uses tables and marts by their names; the rest says how a chart shows its rows.

    *mark* is bar (across), column (upright), dot, line or heat (*value* by colour); *x*, *y* and *color* name columns.
    *labels* are what is written at x and y; *percent* says that numbers are shares of 1. *about* says how to read it.
    """

    name: str
    title: str
    query: str
    section: str = ""
    about: str = ""
    mark: str = ""
    x: str = ""
    y: str = ""
    color: str = ""
    value: str = ""
    labels: tuple[str, str] = ("", "")
    percent: bool = False


QUESTIONS: tuple[Question, ...] = (
    Question(
        "roi_by_genre",
        "Return on investment by genre (money divided over a movie's genres)",
        """
select g.name as genre,
       count(*) as movies,
       round(sum(f.budget_usd * b.weight) / 1e6, 1) as budget_musd,
       round(sum(f.revenue_usd * b.weight) / 1e6, 1) as revenue_musd,
       round(sum(f.revenue_usd) / 1e6, 1) as revenue_full,
       round(sum(f.profit_usd * b.weight) / sum(f.budget_usd * b.weight), 2) as roi
from fact_movie f
join bridge_movie_genre b on b.movie_id = f.movie_id
join dim_genre g on g.genre_id = b.genre_id
where f.roi is not null
group by g.genre_id, g.name
having count(*) >= 5
order by roi desc, genre
""".strip(),
    ),
    Question(
        "best_directors",
        "Directors of three films or more, by weighted rating",
        """
select p.name as director,
       count(*) as movies,
       round(avg(f.weighted_rating), 2) as weighted_rating,
       sum(f.votes) as votes
from (select distinct movie_id, person_id from fact_credit where job = 'Director') d
join dim_person p on p.person_id = d.person_id
join fact_movie f on f.movie_id = d.movie_id
where f.votes > 0
group by p.person_id, p.name
having count(*) >= 3
order by weighted_rating desc, votes desc, director
limit 10
""".strip(),
    ),
    Question(
        "releases_by_decade",
        "Releases by decade, and how many have known money",
        """
select d.decade,
       count(*) as movies,
       count(f.revenue_usd) as with_revenue,
       count(f.roi) as with_roi,
       round(100.0 * count(f.roi) / count(*), 1) as percent_known,
       round(sum(f.revenue_usd) / 1e6, 1) as revenue_musd
from fact_movie f
join dim_date d on d.date_key = f.release_date_key
group by d.decade
order by d.decade desc
""".strip(),
    ),
)
