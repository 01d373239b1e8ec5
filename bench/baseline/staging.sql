create table plan as
select run, planned_at, export
from read_json(
  getvariable('plans'), format = 'newline_delimited', maximum_object_size = 67108864,
  columns = {run: 'BIGINT', planned_at: 'VARCHAR', export: 'STRUCT("key" VARCHAR, "day" VARCHAR)'});

-- Outcomes of all receipts, narrow; the newest per id is found among them before a body is touched.
create table outcome as
select
  (run::bigint << 44) | (unit::bigint << 27) | (part::bigint << 15) | (row_number() over (partition by run, unit, part order by c.line nulls first) - 1) as place,
  run, unit, part, chunk.key as chunk, c.line as line, c.key as requested_key, c.id as id, c.state as state, c.reason as reason,
  c.fetched_at::timestamptz as fetched_at
from (
  select run, unit, part, chunk, unnest(outcomes) as c
  from read_json(
    getvariable('receipts'), format = 'newline_delimited', maximum_object_size = 67108864,
    columns = {
      run: 'BIGINT', unit: 'BIGINT', part: 'BIGINT', chunk: 'STRUCT(key VARCHAR)',
      outcomes: 'STRUCT(key VARCHAR, state VARCHAR, cause VARCHAR, fetched_at VARCHAR, id BIGINT, line BIGINT, reason VARCHAR)[]'
    })
);

create table current as
with ranked as (
  select
    id, max(place) as newest,
    max(place) filter (state in ('landed', 'filtered')) as settled,
    max(place) filter (state = 'gone') as gone
  from outcome where id is not null group by id
), chosen as (
  select
    id, newest, coalesce(gone > coalesce(settled, -1), false) as tombstoned,
    case when gone > coalesce(settled, -1) then gone else coalesce(settled, newest) end as place
  from ranked
)
select chosen.id, chosen.place, chosen.newest, tombstoned, outcome.state
from chosen join outcome using (place);

-- The one parse. Dates stay text until they are projected, since TMDB writes "" for unknown ones.
copy (
  select
    outcome.place, outcome.run, outcome.chunk, outcome.line, outcome.id, outcome.fetched_at, lines.sha256,
    unnest(body)
  from read_json(
    getvariable('chunks'), format = 'newline_delimited', maximum_object_size = 67108864,
    columns = {
      chunk: 'VARCHAR', line: 'BIGINT', sha256: 'VARCHAR',
      body: 'STRUCT(
        adult BOOLEAN, backdrop_path VARCHAR,
        belongs_to_collection STRUCT(id BIGINT, name VARCHAR, poster_path VARCHAR, backdrop_path VARCHAR),
        budget BIGINT, genres STRUCT(id BIGINT, name VARCHAR)[], homepage VARCHAR, imdb_id VARCHAR,
        origin_country VARCHAR[], original_language VARCHAR, original_title VARCHAR, overview VARCHAR,
        popularity DOUBLE, poster_path VARCHAR,
        production_companies STRUCT(id BIGINT, logo_path VARCHAR, name VARCHAR, origin_country VARCHAR)[],
        production_countries STRUCT(iso_3166_1 VARCHAR, name VARCHAR)[], release_date VARCHAR, revenue BIGINT,
        runtime BIGINT, softcore BOOLEAN,
        spoken_languages STRUCT(iso_639_1 VARCHAR, english_name VARCHAR, name VARCHAR)[],
        status VARCHAR, tagline VARCHAR, title VARCHAR, video BOOLEAN, vote_average DOUBLE, vote_count BIGINT,
        credits STRUCT(
          "cast" STRUCT(adult BOOLEAN, gender BIGINT, id BIGINT, known_for_department VARCHAR, name VARCHAR,
            original_name VARCHAR, popularity DOUBLE, profile_path VARCHAR, credit_id VARCHAR, cast_id BIGINT,
            "character" VARCHAR, "order" BIGINT)[],
          crew STRUCT(adult BOOLEAN, gender BIGINT, id BIGINT, known_for_department VARCHAR, name VARCHAR,
            original_name VARCHAR, popularity DOUBLE, profile_path VARCHAR, credit_id VARCHAR, department VARCHAR,
            job VARCHAR)[]),
        keywords STRUCT(keywords STRUCT(id BIGINT, name VARCHAR)[]),
        release_dates STRUCT(results STRUCT(iso_3166_1 VARCHAR, release_dates STRUCT(certification VARCHAR,
          descriptors VARCHAR[], iso_639_1 VARCHAR, note VARCHAR, release_date VARCHAR, type BIGINT)[])[]),
        external_ids MAP(VARCHAR, VARCHAR),
        alternative_titles STRUCT(titles STRUCT(iso_3166_1 VARCHAR, title VARCHAR, type VARCHAR)[]),
        translations STRUCT(translations STRUCT(iso_3166_1 VARCHAR, iso_639_1 VARCHAR, name VARCHAR,
          english_name VARCHAR, data STRUCT(homepage VARCHAR, overview VARCHAR, runtime BIGINT, tagline VARCHAR,
          title VARCHAR))[]),
        videos STRUCT(results STRUCT(id VARCHAR, iso_639_1 VARCHAR, iso_3166_1 VARCHAR, name VARCHAR, "key" VARCHAR,
          site VARCHAR, size BIGINT, type VARCHAR, official BOOLEAN, published_at VARCHAR)[]),
        "watch/providers" STRUCT(results MAP(VARCHAR, STRUCT(
          link VARCHAR,
          flatrate STRUCT(provider_id BIGINT, provider_name VARCHAR, logo_path VARCHAR, display_priority BIGINT)[],
          rent STRUCT(provider_id BIGINT, provider_name VARCHAR, logo_path VARCHAR, display_priority BIGINT)[],
          buy STRUCT(provider_id BIGINT, provider_name VARCHAR, logo_path VARCHAR, display_priority BIGINT)[],
          ads STRUCT(provider_id BIGINT, provider_name VARCHAR, logo_path VARCHAR, display_priority BIGINT)[],
          free STRUCT(provider_id BIGINT, provider_name VARCHAR, logo_path VARCHAR, display_priority BIGINT)[]))),
        recommendations STRUCT(results STRUCT(id BIGINT, media_type VARCHAR, title VARCHAR, original_title VARCHAR,
          original_language VARCHAR, adult BOOLEAN, softcore BOOLEAN, video BOOLEAN, popularity DOUBLE,
          release_date VARCHAR, vote_average DOUBLE, vote_count BIGINT, poster_path VARCHAR,
          backdrop_path VARCHAR)[]),
        images STRUCT(
          backdrops STRUCT(aspect_ratio DOUBLE, height BIGINT, width BIGINT, iso_639_1 VARCHAR, iso_3166_1 VARCHAR,
            file_path VARCHAR, vote_average DOUBLE, vote_count BIGINT)[],
          logos STRUCT(aspect_ratio DOUBLE, height BIGINT, width BIGINT, iso_639_1 VARCHAR, iso_3166_1 VARCHAR,
            file_path VARCHAR, vote_average DOUBLE, vote_count BIGINT)[],
          posters STRUCT(aspect_ratio DOUBLE, height BIGINT, width BIGINT, iso_639_1 VARCHAR, iso_3166_1 VARCHAR,
            file_path VARCHAR, vote_average DOUBLE, vote_count BIGINT)[]),
        reviews STRUCT(results STRUCT(id VARCHAR, author VARCHAR,
          author_details STRUCT(name VARCHAR, username VARCHAR, avatar_path VARCHAR, rating DOUBLE),
          content VARCHAR, created_at VARCHAR, updated_at VARCHAR, url VARCHAR)[]))'
    }) lines
  join outcome on outcome.chunk = lines.chunk and outcome.line = lines.line and outcome.state = 'landed'
) to 'staging.parquet' (row_group_size 4096);
