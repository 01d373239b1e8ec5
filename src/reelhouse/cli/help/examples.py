"""Examples at the end of each command's help; a test parses all of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "browse": ("reelhouse browse --open", "reelhouse browse --tables dim_movie,fact_movie --no-images"),
    "build": ("reelhouse build", "reelhouse build --full --lake s3://films/tmdb"),
    "collect": (
        "reelhouse collect --top 1000",
        "reelhouse collect --discover with_genres=18 --discover primary_release_date.gte=2020-01-01",
        "reelhouse collect --abandon --ids links.csv",
    ),
    "demo": ("reelhouse demo", "reelhouse demo --movies 500 --lake small"),
    "diff": ("reelhouse diff", "reelhouse diff --json"),
    "emulate": ("reelhouse emulate --movies 500 --port 8080", "reelhouse emulate --faults help"),
    "export": (
        "reelhouse export --to films.duckdb",
        "reelhouse export --to csv:tables --tables movie,movie_genre",
        "reelhouse export --to postgresql://me@localhost/films",
    ),
    "help": ("reelhouse help", "reelhouse help collect"),
    "import": (
        "reelhouse import ratings ratings.csv",
        "reelhouse import links --from movies.sqlite --table links",
    ),
    "init": ("reelhouse init", "reelhouse init --entities movie --entities tv"),
    "maintain": ("reelhouse maintain --dry-run", "reelhouse maintain --keep-days 30"),
    "plan": ("reelhouse plan", "reelhouse plan --entity all", "reelhouse plan --min-popularity 5 --json"),
    "purge": (
        "reelhouse purge --older-than 180d --dry-run",
        "reelhouse purge --ids gone.csv --entity movie --yes",
    ),
    "register": (
        "reelhouse register --catalog glue --database films",
        "reelhouse register --catalog unity --database main.films --tables movie,dim_movie",
    ),
    "report": ("reelhouse report", "reelhouse report --output films.html --check", "reelhouse report --open"),
    "show": ("reelhouse show movie 603", "reelhouse show movie tt0133093 --raw", "reelhouse show language"),
    "sql": (
        "reelhouse sql 'show tables'",
        "reelhouse sql 'select title, revenue from movie order by revenue desc limit 5'",
        "reelhouse sql -f question.sql --output answer.parquet",
        "reelhouse sql",
    ),
    "status": ("reelhouse status", "reelhouse status --json --lake s3://films/tmdb"),
    "sync": ("reelhouse sync --top 1000", "reelhouse sync --entity movie --entity tv --yes", "reelhouse sync -v"),
    "tables": ("reelhouse tables", "reelhouse tables movie_cast"),
    "upload": ("reelhouse upload reelhouse.toml", "reelhouse upload --layout course movies.csv"),
    "verify": ("reelhouse verify", "reelhouse verify --deep --json", "reelhouse verify --layout course files"),
}
