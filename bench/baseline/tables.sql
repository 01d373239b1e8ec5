create macro day_of(sent) as case when length(sent) = 10 then try_cast(sent as date) end;
create macro instant_of(sent) as case when length(sent) >= 19 then try_cast(sent as timestamptz) end;

create view answer as
select staging.* exclude (id), staging.id as movie_id
from 'staging.parquet' staging semi join (select place from current where state = 'landed') using (place);

-- movie
select
  movie_id, nullif(imdb_id, '') as imdb_id, nullif(title, '') as title, nullif(original_title, '') as original_title,
  nullif(original_language, '') as original_language, nullif(status, '') as status,
  day_of(release_date) as release_date, nullif(runtime, 0) as runtime, nullif(budget, 0) as budget,
  nullif(revenue, 0) as revenue, popularity, vote_average, vote_count, nullif(overview, '') as overview,
  nullif(tagline, '') as tagline, nullif(homepage, '') as homepage, adult, softcore, video,
  belongs_to_collection.id as collection_id, nullif(belongs_to_collection.name, '') as collection_name,
  nullif(belongs_to_collection.poster_path, '') as collection_poster_path,
  nullif(belongs_to_collection.backdrop_path, '') as collection_backdrop_path,
  nullif(poster_path, '') as poster_path, nullif(backdrop_path, '') as backdrop_path, fetched_at
from answer;

-- movie_genre
select movie_id, position, item.id as genre_id, nullif(item.name, '') as name, fetched_at
from (select movie_id, fetched_at, unnest(genres) as item, generate_subscripts(genres, 1) - 1 as position from answer)
where item is not null;

-- movie_production_company
select
  movie_id, position, item.id as company_id, nullif(item.name, '') as name,
  nullif(item.origin_country, '') as origin_country, nullif(item.logo_path, '') as logo_path, fetched_at
from (
  select movie_id, fetched_at, unnest(production_companies) as item,
    generate_subscripts(production_companies, 1) - 1 as position
  from answer)
where item is not null;

-- movie_production_country
select movie_id, position, nullif(item.iso_3166_1, '') as iso_3166_1, nullif(item.name, '') as name, fetched_at
from (
  select movie_id, fetched_at, unnest(production_countries) as item,
    generate_subscripts(production_countries, 1) - 1 as position
  from answer)
where item is not null;

-- movie_origin_country
select movie_id, position, nullif(item, '') as iso_3166_1, fetched_at
from (
  select movie_id, fetched_at, unnest(origin_country) as item, generate_subscripts(origin_country, 1) - 1 as position
  from answer)
where item is not null;

-- movie_spoken_language
select
  movie_id, position, nullif(item.iso_639_1, '') as iso_639_1, nullif(item.english_name, '') as english_name,
  nullif(item.name, '') as name, fetched_at
from (
  select movie_id, fetched_at, unnest(spoken_languages) as item,
    generate_subscripts(spoken_languages, 1) - 1 as position
  from answer)
where item is not null;

-- movie_keyword
select movie_id, position, item.id as keyword_id, nullif(item.name, '') as name, fetched_at
from (
  select movie_id, fetched_at, unnest(keywords.keywords) as item,
    generate_subscripts(keywords.keywords, 1) - 1 as position
  from answer)
where item is not null;

-- movie_cast
select
  movie_id, position, nullif(item.credit_id, '') as credit_id, item.id as person_id, nullif(item.name, '') as name,
  nullif(item.original_name, '') as original_name, item.gender as gender,
  nullif(item.known_for_department, '') as known_for_department, item.adult as adult,
  item.popularity as popularity, nullif(item.profile_path, '') as profile_path, item.cast_id as cast_id,
  nullif(item."character", '') as "character", item."order" as "order", fetched_at
from (
  select movie_id, fetched_at, unnest(credits."cast") as item, generate_subscripts(credits."cast", 1) - 1 as position
  from answer)
where item is not null;

-- movie_crew
select
  movie_id, position, nullif(item.credit_id, '') as credit_id, item.id as person_id, nullif(item.name, '') as name,
  nullif(item.original_name, '') as original_name, item.gender as gender,
  nullif(item.known_for_department, '') as known_for_department, item.adult as adult,
  item.popularity as popularity, nullif(item.profile_path, '') as profile_path,
  nullif(item.department, '') as department, nullif(item.job, '') as job, fetched_at
from (
  select movie_id, fetched_at, unnest(credits.crew) as item, generate_subscripts(credits.crew, 1) - 1 as position
  from answer)
where item is not null;

-- movie_release_date
select
  movie_id, nullif(country, '') as iso_3166_1, position, item.type as type,
  instant_of(item.release_date)::date as release_date,
  instant_of(item.release_date) as released_at, nullif(item.certification, '') as certification,
  nullif(array_to_string(item.descriptors, ', '), '') as descriptors, nullif(item.iso_639_1, '') as iso_639_1,
  nullif(item.note, '') as note, fetched_at
from (
  select movie_id, fetched_at, per.iso_3166_1 as country, unnest(per.release_dates) as item,
    generate_subscripts(per.release_dates, 1) - 1 as position
  from (select movie_id, fetched_at, unnest(release_dates.results) as per from answer))
where item is not null;

-- movie_alternative_title
select
  movie_id, position, nullif(item.iso_3166_1, '') as iso_3166_1, nullif(item.title, '') as title,
  nullif(item.type, '') as type, fetched_at
from (
  select movie_id, fetched_at, unnest(alternative_titles.titles) as item,
    generate_subscripts(alternative_titles.titles, 1) - 1 as position
  from answer)
where item is not null;

-- movie_translation
select
  movie_id, position, nullif(item.iso_639_1, '') as iso_639_1, nullif(item.iso_3166_1, '') as iso_3166_1,
  nullif(item.name, '') as name, nullif(item.english_name, '') as english_name,
  nullif(item.data.title, '') as title, nullif(item.data.overview, '') as overview,
  nullif(item.data.tagline, '') as tagline, nullif(item.data.homepage, '') as homepage,
  nullif(item.data.runtime, 0) as runtime, fetched_at
from (
  select movie_id, fetched_at, unnest(translations.translations) as item,
    generate_subscripts(translations.translations, 1) - 1 as position
  from answer)
where item is not null;

-- movie_video
select
  movie_id, position, nullif(item.id, '') as video_id, nullif(item.name, '') as name, nullif(item.type, '') as type,
  item.official as official, nullif(item.site, '') as site, nullif(item."key", '') as "key", item.size as size,
  nullif(item.iso_639_1, '') as iso_639_1, nullif(item.iso_3166_1, '') as iso_3166_1,
  instant_of(item.published_at) as published_at, fetched_at
from (
  select movie_id, fetched_at, unnest(videos.results) as item, generate_subscripts(videos.results, 1) - 1 as position
  from answer)
where item is not null;

-- movie_image
select
  movie_id, kind, position, nullif(item.file_path, '') as file_path, item.width as width, item.height as height,
  item.aspect_ratio as aspect_ratio, nullif(item.iso_639_1, '') as iso_639_1,
  nullif(item.iso_3166_1, '') as iso_3166_1, item.vote_average as vote_average, item.vote_count as vote_count,
  fetched_at
from (
  select movie_id, fetched_at, kind, unnest(listed) as item, generate_subscripts(listed, 1) - 1 as position
  from (
    select movie_id, fetched_at, 'backdrop' as kind, images.backdrops as listed from answer
    union all select movie_id, fetched_at, 'logo', images.logos from answer
    union all select movie_id, fetched_at, 'poster', images.posters from answer))
where item is not null;

-- movie_review
select
  movie_id, position, nullif(item.id, '') as review_id, nullif(item.author, '') as author,
  nullif(item.author_details.name, '') as name, nullif(item.author_details.username, '') as username,
  nullif(item.author_details.avatar_path, '') as avatar_path, item.author_details.rating as rating,
  nullif(item.content, '') as content, nullif(item.url, '') as url,
  instant_of(item.created_at) as created_at, instant_of(item.updated_at) as updated_at,
  fetched_at
from (
  select movie_id, fetched_at, unnest(reviews.results) as item,
    generate_subscripts(reviews.results, 1) - 1 as position
  from answer)
where item is not null;

-- movie_recommendation
select
  movie_id, position, item.id as recommended_id, nullif(item.media_type, '') as media_type,
  nullif(item.title, '') as title, nullif(item.original_title, '') as original_title,
  nullif(item.original_language, '') as original_language, day_of(item.release_date) as release_date,
  item.popularity as popularity, item.vote_average as vote_average, item.vote_count as vote_count,
  item.adult as adult, item.softcore as softcore, item.video as video,
  nullif(item.poster_path, '') as poster_path, nullif(item.backdrop_path, '') as backdrop_path, fetched_at
from (
  select movie_id, fetched_at, unnest(recommendations.results) as item,
    generate_subscripts(recommendations.results, 1) - 1 as position
  from answer)
where item is not null;

-- movie_external_id
select movie_id, item."key" as source, item.value as external_id, fetched_at
from (select movie_id, fetched_at, unnest(map_entries(external_ids)) as item from answer)
where item."key" <> 'id' and item.value <> '';

-- watch_provider_offer
select
  movie_id, country as iso_3166_1, monetization_type, position, item.provider_id as provider_id,
  nullif(item.provider_name, '') as provider_name, item.display_priority as display_priority,
  nullif(item.logo_path, '') as logo_path, nullif(link, '') as link, fetched_at
from (
  select movie_id, fetched_at, country, link, per.kind as monetization_type, unnest(per.listed) as item,
    generate_subscripts(per.listed, 1) - 1 as position
  from (
    select movie_id, fetched_at, entry."key" as country, entry.value.link as link,
      unnest([
        {kind: 'flatrate', listed: entry.value.flatrate}, {kind: 'rent', listed: entry.value.rent},
        {kind: 'buy', listed: entry.value.buy}, {kind: 'ads', listed: entry.value.ads},
        {kind: 'free', listed: entry.value.free}]) as per
    from (select movie_id, fetched_at, unnest(map_entries("watch/providers".results)) as entry from answer)))
where item is not null;

-- popularity_daily
select
  'movie' as kind, line.id, plan.export.day::date as "day", line.popularity,
  nullif(line.original_title, '') as original_title, line.adult, line.video, plan.planned_at::timestamptz as fetched_at
from read_json(
  getvariable('exports'), format = 'newline_delimited', filename = true,
  columns = {
    id: 'BIGINT', popularity: 'DOUBLE', original_title: 'VARCHAR', adult: 'BOOLEAN', video: 'BOOLEAN'
  }) line
join plan on ends_with(line.filename, plan.export.key)
where line.id is not null;

-- record
select
  'movie' as entity, outcome.id, outcome.state, outcome.fetched_at, outcome.run, outcome.chunk, outcome.line, staging.sha256
from current join outcome using (place) left join 'staging.parquet' staging on staging.place = current.place;

-- quarantine
select 'movie' as entity, id, requested_key, reason, fetched_at, run, chunk, line from outcome
where state = 'quarantined'
  and (place in (select newest from current) or (id is null and requested_key not in (select requested_key from outcome where id is not null)));

-- rejected_value
with dated as (
  select place, 'release_date' as path, release_date as raw, 'is not a date' as reason, day_of(release_date) is null as bad
  from answer
  union all
  select place, 'recommendations.results[' || position || '].release_date', item.release_date, 'is not a date',
    day_of(item.release_date) is null
  from (
    select place, unnest(recommendations.results) as item,
      generate_subscripts(recommendations.results, 1) - 1 as position
    from answer)
  union all
  select place, 'release_dates.results[' || country || '].release_dates[' || position || '].release_date',
    item.release_date, 'is not a timestamp', instant_of(item.release_date) is null
  from (
    select place, country, unnest(per.release_dates) as item,
      generate_subscripts(per.release_dates, 1) - 1 as position
    from (
      select place, unnest(release_dates.results) as per,
        generate_subscripts(release_dates.results, 1) - 1 as country
      from answer))
  union all
  select place, 'videos.results[' || position || '].published_at', item.published_at, 'is not a timestamp',
    instant_of(item.published_at) is null
  from (
    select place, unnest(videos.results) as item, generate_subscripts(videos.results, 1) - 1 as position from answer)
)
select 'movie' as entity, id, path, raw, dated.reason, fetched_at, run, chunk, line
from dated join outcome using (place) where bad and raw <> '';

-- tombstone
select 'movie' as entity, outcome.id, outcome.fetched_at, outcome.run, outcome.chunk, outcome.line
from current join outcome using (place) where tombstoned;
