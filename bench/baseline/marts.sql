create macro date_key(day) as
  case when year(day) between 1870 and 2100 then (year(day) * 10000 + month(day) * 100 + day(day))::integer end;

-- dim_movie
select
  movie_id, imdb_id, title, original_title, original_language, status, release_date,
  date_key(release_date) as release_date_key,
  case when year(release_date) between 1870 and 2100 then year(release_date)::integer end as release_year,
  case when year(release_date) between 1870 and 2100
    then (year(release_date) - year(release_date) % 10)::integer end as release_decade,
  collection_id, overview, tagline, homepage, poster_path, backdrop_path, adult, softcore, video, fetched_at
from movie where not coalesce(adult, false);

-- fact_credit
select
  credit_id, movie_id, person_id, release_date_key, credit_type, department, job, "character", billing
from (
  select credit_id, movie_id, person_id, 'cast' as credit_type, null::varchar as department, null::varchar as job,
    "character", "order" as billing
  from movie_cast
  union all
  select credit_id, movie_id, person_id, 'crew', department, job, null, null from movie_crew)
join (select movie_id, release_date_key from dim_movie) using (movie_id);

-- fact_release
select
  movie_id, iso_3166_1, position, type as release_type, release_date, date_key(release_date) as release_date_key,
  certification, note
from movie_release_date semi join dim_movie using (movie_id);

-- fact_movie
with title as (select * from movie where not coalesce(adult, false)),
credit as (
  select movie_id, count(*) filter (credit_type = 'cast') as cast_size,
    count(*) filter (credit_type = 'crew') as crew_size, count(*) filter (job = 'Director') as director_count
  from fact_credit group by movie_id
), release as (
  select movie_id, datediff('day', min(release_date) filter (release_type in (2, 3)),
    min(release_date) filter (release_type = 4)) as days_theatre_to_digital
  from fact_release group by movie_id
), mean as (
    select sum(floor(vote_average * 1e6 + 0.5)::bigint)::double / count(vote_average)::double / 1e6 as of_all
    from title where vote_count > 0
)
select
  movie_id, date_key(release_date) as release_date_key, collection_id, original_language, budget as budget_usd,
  revenue as revenue_usd, revenue - budget as profit_usd,
  case when budget > 0 then (revenue - budget)::double / budget::double end as roi, runtime as runtime_minutes,
  case when vote_count > 0 then vote_average end as vote_average, vote_count as votes,
  case when vote_count + 300 > 0 then
    (case when vote_count > 0 then vote_count * vote_average else 0 end + 300.0::double * mean.of_all)
      / (vote_count + 300) end as weighted_rating,
  popularity, coalesce(cast_size, 0) as cast_size, coalesce(crew_size, 0) as crew_size,
  coalesce(director_count, 0) as director_count, days_theatre_to_digital, fetched_at
from title left join credit using (movie_id) left join release using (movie_id), mean;

-- edge_costar
with billed as (
  select distinct movie_id, person_id, release_date_key from fact_credit
  where credit_type = 'cast' and billing < 10 and person_id is not null
)
select
  one.person_id, other.person_id as costar_id, count(*) as movie_count,
  min(one.release_date_key) as first_release_date_key, max(one.release_date_key) as last_release_date_key
from billed one join billed other on one.movie_id = other.movie_id and one.person_id < other.person_id
group by one.person_id, other.person_id having count(*) > 1;

-- dim_person
with known as (
  select person_id, name, original_name, gender, known_for_department, popularity, profile_path, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (
    select movie_id, person_id, name, original_name, gender, known_for_department, popularity, profile_path, fetched_at from movie_cast semi join dim_movie using (movie_id)
    union all
    select movie_id, person_id, name, original_name, gender, known_for_department, popularity, profile_path, fetched_at from movie_crew semi join dim_movie using (movie_id))
  where person_id is not null
), last as (select person_id, max(named_at) as named_at from known group by person_id)
select person_id, min(name) as name, min(original_name) as original_name, min(gender) as gender, min(known_for_department) as known_for_department, min(popularity) as popularity, min(profile_path) as profile_path, max(fetched_at) as fetched_at
from known semi join last using (person_id, named_at) group by person_id;

-- dim_job
select department, job, max(fetched_at) as fetched_at
from movie_crew semi join dim_movie using (movie_id)
where department is not null and job is not null group by department, job;

-- dim_certification
select 'movie' as media_type, iso_3166_1, certification, max(fetched_at) as fetched_at
from fact_release join (select movie_id, fetched_at from dim_movie) using (movie_id)
where iso_3166_1 is not null and certification is not null group by iso_3166_1, certification;

-- dim_genre
with known as (
  select genre_id, name, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (select * from movie_genre semi join dim_movie using (movie_id))
  where genre_id is not null
), last as (select genre_id, max(named_at) as named_at from known group by genre_id)
select genre_id, min(name) as name, max(fetched_at) as fetched_at
from known semi join last using (genre_id, named_at) group by genre_id;

-- dim_company
with known as (
  select company_id, name, origin_country, logo_path, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (select * from movie_production_company semi join dim_movie using (movie_id))
  where company_id is not null
), last as (select company_id, max(named_at) as named_at from known group by company_id)
select company_id, min(name) as name, min(origin_country) as origin_country, min(logo_path) as logo_path, max(fetched_at) as fetched_at
from known semi join last using (company_id, named_at) group by company_id;

-- dim_collection
with known as (
  select collection_id, name, poster_path, backdrop_path, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (
    select collection_id, collection_name as name, collection_poster_path as poster_path,
      collection_backdrop_path as backdrop_path, fetched_at
    from movie semi join dim_movie using (movie_id))
  where collection_id is not null
), last as (select collection_id, max(named_at) as named_at from known group by collection_id)
select collection_id, min(name) as name, min(poster_path) as poster_path, min(backdrop_path) as backdrop_path, max(fetched_at) as fetched_at
from known semi join last using (collection_id, named_at) group by collection_id;

-- dim_keyword
with known as (
  select keyword_id, name, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (select * from movie_keyword semi join dim_movie using (movie_id))
  where keyword_id is not null
), last as (select keyword_id, max(named_at) as named_at from known group by keyword_id)
select keyword_id, min(name) as name, max(fetched_at) as fetched_at
from known semi join last using (keyword_id, named_at) group by keyword_id;

-- dim_country
with known as (
  select iso_3166_1, name, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (
    select iso_3166_1, name, fetched_at from movie_production_country semi join dim_movie using (movie_id)
    union all
    select origin_country as iso_3166_1, null as name, max(fetched_at) as fetched_at from movie_production_company semi join dim_movie using (movie_id) group by 1
    union all
    select iso_3166_1 as iso_3166_1, null as name, max(fetched_at) as fetched_at from movie_origin_country semi join dim_movie using (movie_id) group by 1
    union all
    select iso_3166_1 as iso_3166_1, null as name, max(fetched_at) as fetched_at from movie_release_date semi join dim_movie using (movie_id) group by 1
    union all
    select iso_3166_1 as iso_3166_1, null as name, max(fetched_at) as fetched_at from watch_provider_offer semi join dim_movie using (movie_id) group by 1)
  where iso_3166_1 is not null
), last as (select iso_3166_1, max(named_at) as named_at from known group by iso_3166_1)
select iso_3166_1, min(name) as name, max(fetched_at) as fetched_at
from known semi join last using (iso_3166_1, named_at) group by iso_3166_1;

-- dim_language
with known as (
  select iso_639_1, english_name, name, fetched_at,
    case when english_name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (
    select iso_639_1, english_name, name, fetched_at from movie_spoken_language semi join dim_movie using (movie_id)
    union all
    select original_language, null, null, max(fetched_at) from movie semi join dim_movie using (movie_id) group by 1)
  where iso_639_1 is not null
), last as (select iso_639_1, max(named_at) as named_at from known group by iso_639_1)
select iso_639_1, min(english_name) as english_name, min(name) as name, max(fetched_at) as fetched_at
from known semi join last using (iso_639_1, named_at) group by iso_639_1;

-- dim_watch_provider
with known as (
  select provider_id, name, logo_path, fetched_at,
    case when name is not null then date_trunc('day', fetched_at) else timestamptz '1900-01-01 00:00:00+00' end as named_at
  from (select provider_id, provider_name as name, logo_path, fetched_at from watch_provider_offer semi join dim_movie using (movie_id))
  where provider_id is not null
), last as (select provider_id, max(named_at) as named_at from known group by provider_id)
select provider_id, min(name) as name, min(logo_path) as logo_path, max(fetched_at) as fetched_at
from known semi join last using (provider_id, named_at) group by provider_id;

-- dim_date
with used as (
  select release_date as day from dim_movie union all select release_date from fact_release
), ends as (select min(day) as first, max(day) as last from used where year(day) between 1870 and 2100)
select
  date_key(day) as date_key, day as date, year(day)::integer as year, quarter(day)::integer as quarter,
  month(day)::integer as month, monthname(day) as month_name, day(day)::integer as day,
  dayofyear(day)::integer as day_of_year, isodow(day)::integer as weekday, dayname(day) as weekday_name,
  isodow(day) >= 6 as is_weekend, (year(day) - year(day) % 10)::integer as decade
from (select unnest(generate_series(first, last, interval 1 day))::date as day from ends);

-- bridge_movie_genre
select movie_id, genre_id, 1.0::double / count(*) over (partition by movie_id) as weight
from (select distinct movie_id, genre_id from movie_genre semi join dim_movie using (movie_id) where genre_id is not null);

-- bridge_movie_company
select movie_id, company_id, 1.0::double / count(*) over (partition by movie_id) as weight
from (select distinct movie_id, company_id from movie_production_company semi join dim_movie using (movie_id) where company_id is not null);

-- bridge_movie_country
select movie_id, iso_3166_1, 1.0::double / count(*) over (partition by movie_id) as weight
from (select distinct movie_id, iso_3166_1 from movie_production_country semi join dim_movie using (movie_id) where iso_3166_1 is not null);

-- bridge_movie_language
select movie_id, iso_639_1, 1.0::double / count(*) over (partition by movie_id) as weight
from (select distinct movie_id, iso_639_1 from movie_spoken_language semi join dim_movie using (movie_id) where iso_639_1 is not null);

-- bridge_movie_keyword
select movie_id, keyword_id, 1.0::double / count(*) over (partition by movie_id) as weight
from (select distinct movie_id, keyword_id from movie_keyword semi join dim_movie using (movie_id) where keyword_id is not null);

-- movie_flat
with genres as (
  select movie_id, string_agg(name, ', ' order by position) as genres from movie_genre where name is not null group by movie_id
), production_companies as (
  select movie_id, string_agg(name, ', ' order by position) as production_companies from movie_production_company where name is not null group by movie_id
), production_countries as (
  select movie_id, string_agg(name, ', ' order by position) as production_countries from movie_production_country where name is not null group by movie_id
), spoken_languages as (
  select movie_id, string_agg(english_name, ', ' order by position) as spoken_languages from movie_spoken_language where english_name is not null group by movie_id
), keywords as (
  select movie_id, string_agg(name, ', ' order by position) as keywords from movie_keyword where name is not null group by movie_id
)
select
  movie_id as id, title, vote_average, vote_count, status, release_date, revenue, runtime, adult, backdrop_path, budget,
  homepage, imdb_id, original_language, original_title, overview, popularity, poster_path, tagline, genres,
  production_companies, production_countries, spoken_languages, keywords
from movie left join genres using (movie_id) left join production_companies using (movie_id)
  left join production_countries using (movie_id) left join spoken_languages using (movie_id)
  left join keywords using (movie_id)
where not coalesce(adult, false);
