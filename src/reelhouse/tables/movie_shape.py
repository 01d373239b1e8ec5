"""The shape of `/movie/{id}` with every append that a table is made of."""

from __future__ import annotations

from reelhouse.tables.shape import Keyed, Shape

_PERSON: dict[str, Shape] = {
    "adult": "flag",
    "gender": "whole",
    "id": "whole",
    "known_for_department": "text",
    "name": "text",
    "original_name": "text",
    "popularity": "number",
    "profile_path": "text",
    "credit_id": "text",
}

_IMAGE: dict[str, Shape] = {
    "aspect_ratio": "number",
    "height": "whole",
    "width": "whole",
    "iso_639_1": "text",
    "iso_3166_1": "text",
    "file_path": "text",
    "vote_average": "number",
    "vote_count": "whole",
}

_RECOMMENDED: dict[str, Shape] = {
    "id": "whole",
    "media_type": "text",
    "title": "text",
    "original_title": "text",
    "original_language": "text",
    "adult": "flag",
    "softcore": "flag",
    "video": "flag",
    "popularity": "number",
    "release_date": "date",
    "vote_average": "number",
    "vote_count": "whole",
    "poster_path": "text",
    "backdrop_path": "text",
}

DETAILS: dict[str, Shape] = {
    "adult": "flag",
    "backdrop_path": "text",
    "belongs_to_collection": {"id": "whole", "name": "text", "poster_path": "text", "backdrop_path": "text"},
    "budget": "whole",
    "genres": [{"id": "whole", "name": "text"}],
    "homepage": "text",
    "imdb_id": "text",
    "origin_country": ["text"],
    "original_language": "text",
    "original_title": "text",
    "overview": "text",
    "popularity": "number",
    "poster_path": "text",
    "production_companies": [{"id": "whole", "logo_path": "text", "name": "text", "origin_country": "text"}],
    "production_countries": [{"iso_3166_1": "text", "name": "text"}],
    "release_date": "date",
    "revenue": "whole",
    "runtime": "whole",
    "softcore": "flag",
    "spoken_languages": [{"iso_639_1": "text", "english_name": "text", "name": "text"}],
    "status": "text",
    "tagline": "text",
    "title": "text",
    "video": "flag",
    "vote_average": "number",
    "vote_count": "whole",
}

APPENDS: dict[str, Shape] = {
    "credits": {
        "cast": [{**_PERSON, "cast_id": "whole", "character": "text", "order": "whole"}],
        "crew": [{**_PERSON, "department": "text", "job": "text"}],
    },
    "keywords": {"keywords": [{"id": "whole", "name": "text"}]},
    "release_dates": {
        "results": [
            {
                "iso_3166_1": "text",
                "release_dates": [
                    {
                        "certification": "text",
                        "descriptors": ["text"],
                        "iso_639_1": "text",
                        "note": "text",
                        "release_date": "instant",
                        "type": "whole",
                    }
                ],
            }
        ]
    },
    "external_ids": Keyed("text"),
    "alternative_titles": {"titles": [{"iso_3166_1": "text", "title": "text", "type": "text"}]},
    "translations": {
        "translations": [
            {
                "iso_3166_1": "text",
                "iso_639_1": "text",
                "name": "text",
                "english_name": "text",
                "data": {
                    "homepage": "text",
                    "overview": "text",
                    "runtime": "whole",
                    "tagline": "text",
                    "title": "text",
                },
            }
        ]
    },
    "videos": {
        "results": [
            {
                "id": "text",
                "iso_639_1": "text",
                "iso_3166_1": "text",
                "name": "text",
                "key": "text",
                "site": "text",
                "size": "whole",
                "type": "text",
                "official": "flag",
                "published_at": "instant",
            }
        ]
    },
    "watch/providers": {
        "results": Keyed(
            Keyed(
                [{"provider_id": "whole", "provider_name": "text", "logo_path": "text", "display_priority": "whole"}],
                fields=("link",),
            )
        )
    },
    "recommendations": {"results": [_RECOMMENDED]},
    "images": {"backdrops": [_IMAGE], "logos": [_IMAGE], "posters": [_IMAGE]},
    "reviews": {
        "results": [
            {
                "id": "text",
                "author": "text",
                "author_details": {"name": "text", "username": "text", "avatar_path": "text", "rating": "number"},
                "content": "text",
                "created_at": "instant",
                "updated_at": "instant",
                "url": "text",
            }
        ]
    },
}

MOVIE: dict[str, Shape] = {**DETAILS, **APPENDS}
