"""The small fixed lists: genres, countries, languages, jobs, certificates, providers, image sizes."""

from typing import Any

# id, name, budget factor, profit in powers of ten, shift of the rating, usual runtime
GENRES: tuple[tuple[int, str, float, float, float, int], ...] = (
    (28, "Action", 2.2, 0.10, -0.15, 108),
    (12, "Adventure", 2.4, 0.15, 0.00, 109),
    (16, "Animation", 1.6, 0.20, 0.25, 80),
    (35, "Comedy", 0.8, 0.10, -0.10, 97),
    (80, "Crime", 0.9, 0.00, 0.10, 106),
    (99, "Documentary", 0.1, -0.10, 0.55, 78),
    (18, "Drama", 0.6, -0.05, 0.20, 106),
    (10751, "Family", 1.4, 0.15, 0.05, 94),
    (14, "Fantasy", 2.1, 0.10, 0.00, 105),
    (36, "History", 1.1, -0.10, 0.25, 121),
    (27, "Horror", 0.3, 0.45, -0.65, 92),
    (10402, "Music", 0.5, 0.05, 0.40, 90),
    (9648, "Mystery", 0.7, 0.05, 0.00, 101),
    (10749, "Romance", 0.6, 0.05, 0.00, 103),
    (878, "Science Fiction", 2.0, 0.05, -0.15, 104),
    (10770, "TV Movie", 0.2, -0.60, -0.20, 88),
    (53, "Thriller", 0.8, 0.05, -0.15, 101),
    (10752, "War", 1.3, -0.05, 0.20, 116),
    (37, "Western", 0.7, -0.15, 0.00, 98),
)
GENRE_NAMES = {row[0]: row[1] for row in GENRES}
GENRE_NAMES_IN = {
    "pt": dict(
        zip(
            GENRE_NAMES,
            (
                "Ação", "Aventura", "Animação", "Comédia", "Crime", "Documentário", "Drama", "Família", "Fantasia",
                "História", "Terror", "Música", "Mistério", "Romance", "Ficção científica", "Cinema TV", "Thriller",
                "Guerra", "Faroeste",
            ),
            strict=True,
        )
    )
}  # fmt: skip
TV_GENRE_NAMES = {
    10759: "Action & Adventure", 16: "Animation", 35: "Comedy", 80: "Crime", 99: "Documentary", 18: "Drama",
    10751: "Family", 10762: "Kids", 9648: "Mystery", 10763: "News", 10764: "Reality", 10765: "Sci-Fi & Fantasy",
    10766: "Soap", 10767: "Talk", 10768: "War & Politics", 37: "Western",
}  # fmt: skip
# Television's genres with a name of their own in a language; the others keep the English one.
TV_GENRE_NAMES_IN = {
    "pt": TV_GENRE_NAMES | {number: GENRE_NAMES_IN["pt"][number] for number in (16, 35, 80, 99, 18, 10751, 9648, 37)}
}
# How often a genre is a movie's first, per thousand.
GENRE_WEIGHTS = (70, 25, 45, 150, 35, 130, 220, 20, 15, 12, 70, 40, 15, 35, 25, 20, 45, 10, 18)

# code, English name, own name, country of origin that goes with it, weight in the tail, weight among popular movies
LANGUAGES: tuple[tuple[str, str, str, str, int, int], ...] = (
    ("en", "English", "English", "US", 460, 700),
    ("fr", "French", "Français", "FR", 75, 50),
    ("es", "Spanish", "Español", "ES", 75, 40),
    ("de", "German", "Deutsch", "DE", 60, 20),
    ("ja", "Japanese", "日本語", "JP", 60, 55),
    ("pt", "Portuguese", "Português", "BR", 45, 10),
    ("zh", "Mandarin", "普通话", "CN", 40, 20),
    ("it", "Italian", "Italiano", "IT", 35, 20),
    ("ru", "Russian", "Pусский", "RU", 30, 12),
    ("ko", "Korean", "한국어/조선말", "KR", 20, 30),
    ("hi", "Hindi", "हिन्दी", "IN", 15, 12),
    ("cn", "Cantonese", "广州话 / 廣州話", "HK", 12, 8),
    ("sv", "Swedish", "svenska", "SE", 12, 4),
    ("pl", "Polish", "Polski", "PL", 11, 4),
    ("tr", "Turkish", "Türkçe", "TR", 10, 4),
    ("ar", "Arabic", "العربية", "EG", 10, 2),
    ("xx", "No Language", "No Language", "US", 10, 1),
    ("fa", "Persian", "فارسی", "IR", 8, 2),
    ("el", "Greek", "ελληνικά", "GR", 6, 2),
    ("he", "Hebrew", "עִבְרִית", "IL", 4, 2),
    ("th", "Thai", "ภาษาไทย", "TH", 2, 2),
)
LANGUAGE_ROWS = {row[0]: {"english_name": row[1], "iso_639_1": row[0], "name": row[2]} for row in LANGUAGES}
# Old or rare codes of the real list: not ISO-clean, some without a name of their own.
ODD_LANGUAGES = (
    ("sh", "Serbo-Croatian", ""),
    ("mo", "Moldavian", ""),
    ("ab", "Abkhazian", ""),
    ("zu", "Zulu", "isiZulu"),
)

# code, English name, own name
COUNTRIES: tuple[tuple[str, str, str], ...] = (
    ("US", "United States of America", "United States"), ("GB", "United Kingdom", "United Kingdom"),
    ("FR", "France", "France"), ("ES", "Spain", "España"), ("DE", "Germany", "Deutschland"), ("JP", "Japan", "日本"),
    ("BR", "Brazil", "Brasil"), ("CN", "China", "中国"), ("IT", "Italy", "Italia"), ("RU", "Russia", "Россия"),
    ("KR", "South Korea", "대한민국"), ("IN", "India", "India"),
    ("HK", "Hong Kong", "香港"), ("SE", "Sweden", "Sverige"),
    ("PL", "Poland", "Polska"), ("TR", "Turkey", "Türkiye"), ("EG", "Egypt", "مصر"), ("IR", "Iran", "ایران"),
    ("GR", "Greece", "Ελλάδα"), ("IL", "Israel", "ישראל"), ("TH", "Thailand", "ไทย"), ("CA", "Canada", "Canada"),
    ("AU", "Australia", "Australia"), ("MX", "Mexico", "México"), ("AR", "Argentina", "Argentina"),
    ("NL", "Netherlands", "Nederland"), ("BE", "Belgium", "Belgique"), ("CH", "Switzerland", "Schweiz"),
    ("AT", "Austria", "Österreich"),
    ("DK", "Denmark", "Danmark"), ("NO", "Norway", "Norge"), ("FI", "Finland", "Suomi"),
    ("IE", "Ireland", "Ireland"), ("PT", "Portugal", "Portugal"), ("CZ", "Czech Republic", "Česká republika"),
    ("HU", "Hungary", "Magyarország"), ("RO", "Romania", "România"), ("NZ", "New Zealand", "New Zealand"),
    ("ZA", "South Africa", "South Africa"), ("NG", "Nigeria", "Nigeria"), ("PH", "Philippines", "Philippines"),
    ("ID", "Indonesia", "Indonesia"), ("SG", "Singapore", "Singapore"), ("TW", "Taiwan", "台灣"),
    ("SU", "Soviet Union", "Soviet Union"), ("YU", "Yugoslavia", ""), ("XC", "Czechoslovakia", "Czechoslovakia"),
    ("XG", "East Germany", "East Germany"), ("XK", "Kosovo", "Kosovo"),
)  # fmt: skip
COUNTRY_NAMES = {code: name for code, name, _ in COUNTRIES}

# country, language, name of the language there, English name: what a translation row carries
LOCALES: tuple[tuple[str, str, str, str], ...] = (
    ("US", "en", "English", "English"), ("DE", "de", "Deutsch", "German"), ("FR", "fr", "Français", "French"),
    ("ES", "es", "Español", "Spanish"), ("MX", "es", "Español", "Spanish"), ("IT", "it", "Italiano", "Italian"),
    ("BR", "pt", "Português", "Portuguese"), ("PT", "pt", "Português", "Portuguese"),
    ("RU", "ru", "Pусский", "Russian"),
    ("JP", "ja", "日本語", "Japanese"), ("CN", "zh", "普通话", "Mandarin"), ("TW", "zh", "普通话", "Mandarin"),
    ("KR", "ko", "한국어/조선말", "Korean"), ("SA", "ar", "العربية", "Arabic"), ("IL", "he", "עִבְרִית", "Hebrew"),
    ("TR", "tr", "Türkçe", "Turkish"), ("PL", "pl", "Polski", "Polish"), ("SE", "sv", "svenska", "Swedish"),
)  # fmt: skip

# Country and its time zones.
TIMEZONES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AU", ("Australia/Sydney", "Australia/Perth")), ("BR", ("America/Sao_Paulo", "America/Manaus")),
    ("CA", ("America/Toronto", "America/Vancouver")), ("DE", ("Europe/Berlin",)), ("FR", ("Europe/Paris",)),
    ("GB", ("Europe/London",)), ("JP", ("Asia/Tokyo",)), ("PT", ("Europe/Lisbon", "Atlantic/Azores")),
    ("US", ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")),
)  # fmt: skip

CERTIFICATES: dict[str, tuple[str, ...]] = {
    "US": ("G", "PG", "PG-13", "R", "NR", ""),
    "GB": ("U", "PG", "12A", "15", "18"),
    "DE": ("0", "6", "12", "16", "18"),
    "FR": ("U", "12", "16", "TP"),
    "BR": ("L", "10", "12", "14", "16", "18"),
    "AU": ("G", "PG", "M", "MA 15+"),
    "JP": ("G", "PG12", "R15+"),
    "IN": ("U", "UA", "A"),
}

TV_CERTIFICATES: dict[str, tuple[str, ...]] = {
    "US": ("NR", "TV-Y", "TV-Y7", "TV-G", "TV-PG", "TV-14", "TV-MA"),
    "GB": ("U", "PG", "12", "15", "18"),
    "DE": ("0", "6", "12", "16", "18"),
    "BR": ("L", "10", "12", "14", "16", "18"),
    "CA-QC": ("G", "8+", "13+", "16+"),
}

JOBS: dict[str, tuple[str, ...]] = {
    "Directing": ("Director", "Director", "Director", "Assistant Director", "Script Supervisor"),
    "Writing": ("Screenplay", "Writer", "Story", "Novel", "Characters"),
    "Production": ("Producer", "Executive Producer", "Casting", "Co-Producer", "Associate Producer"),
    "Camera": ("Director of Photography", "Camera Operator", "Still Photographer", "Steadicam Operator"),
    "Editing": ("Editor", "Assistant Editor", "Colorist"),
    "Sound": ("Original Music Composer", "Sound Designer", "Foley Artist", "Boom Operator"),
    "Art": ("Production Design", "Art Direction", "Set Decoration", "Storyboard Artist"),
    "Costume & Make-Up": ("Costume Design", "Makeup Artist", "Hairstylist"),
    "Visual Effects": ("Visual Effects Supervisor", "Animation", "Compositor"),
    "Crew": ("Stunts", "Stunt Coordinator", "Thanks"),
    "Lighting": ("Gaffer", "Lighting Technician"),
}
DEPARTMENTS = tuple(JOBS)

# id, invented name, countries it serves (empty: everywhere)
PROVIDERS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (8, "Streamline", ()), (9, "Kinoplus", ()), (10, "Parade Video", ()), (2, "Orchard TV Store", ()),
    (3, "Playhouse Movies", ()), (35, "Raku Cinema", ("DE", "FR", "GB", "ES", "IT", "PL")),
    (73, "Tubular", ("US", "CA", "MX")),
    (119, "Parade Prime", ()), (337, "Castle Plus", ()), (384, "Max Lantern", ("US", "BR", "MX", "ES")),
    (531, "Mountain Plus", ("US", "GB", "AU", "BR")), (613, "Freebox Parade", ("US", "GB", "DE")),
    (97, "Wakanet", ("JP",)),
    (100, "Arthouse Club", ()), (1899, "Saffron", ("IN",)), (356, "Hanriver", ("KR",)),
)  # fmt: skip

CHANGE_KEYS = (
    "adult", "air_date", "alternative_titles", "biography", "birthday", "budget", "cast", "character_names", "crew",
    "deathday", "episode", "genres", "general", "homepage", "images", "imdb_id", "languages", "name", "original_title",
    "overview", "parts", "plot_keywords", "production_companies", "production_countries", "release_dates", "revenue",
    "runtime", "season", "spoken_languages", "status", "tagline", "title", "translations", "video", "videos",
)  # fmt: skip
_WIDE, _TALL = ["w300", "w780", "w1280", "original"], ["w92", "w154", "w185", "w342", "w500", "w780", "original"]
CONFIGURATION = {
    "change_keys": list(CHANGE_KEYS),
    "images": {
        "base_url": "http://image.tmdb.org/t/p/",
        "secure_base_url": "https://image.tmdb.org/t/p/",
        "backdrop_sizes": _WIDE,
        "logo_sizes": ["w45", *_TALL[:5], "original"],
        "poster_sizes": _TALL,
        "profile_sizes": ["w45", "w185", "h632", "original"],
        "still_sizes": ["w92", "w185", "w300", "original"],
    },
}


def genre_list(kind: str, language: str = "") -> dict[str, object]:
    """`/genre/{kind}/list`; a language without names of its own has the English ones."""
    translated, english = (TV_GENRE_NAMES_IN, TV_GENRE_NAMES) if kind == "tv" else (GENRE_NAMES_IN, GENRE_NAMES)
    names = translated.get(language.partition("-")[0], english)
    return {"genres": [{"id": number, "name": name} for number, name in names.items()]}


def certification_list(kind: str) -> dict[str, object]:
    """`/certification/{kind}/list`, by country."""
    return {
        "certifications": {
            country: [
                {"certification": mark, "meaning": "", "order": order} for order, mark in enumerate(marks) if mark
            ]
            for country, marks in (TV_CERTIFICATES if kind == "tv" else CERTIFICATES).items()
        }
    }


def provider_list(kind: str, region: str = "") -> dict[str, object]:
    """`/watch/providers/{kind}`: those that serve *region*, or all; only movies can be bought at an online store."""
    here = [row for row in PROVIDERS if not region or not row[2] or region in row[2]]
    return {
        "results": [
            {
                "display_priorities": dict.fromkeys(countries or [row[0] for row in COUNTRIES[:10]], number),
                "display_priority": number,
                "logo_path": f"/provider{provider}.jpg",
                "provider_id": provider,
                "provider_name": name,
            }
            for number, (provider, name, countries) in enumerate(here)
            if kind == "movie" or "Store" not in name
        ]
    }


def region_list() -> dict[str, object]:
    """`/watch/providers/regions`: the countries of today that have providers."""
    return {"results": sorted(country_list()[:44], key=lambda row: row["english_name"])}


def timezone_list() -> list[dict[str, object]]:
    """`/configuration/timezones`: a bare array."""
    return [{"iso_3166_1": country, "zones": list(zones)} for country, zones in TIMEZONES]


def primary_translation_list() -> list[str]:
    """`/configuration/primary_translations`: a bare array of texts."""
    return sorted(f"{language}-{country}" for country, language, _, _ in LOCALES)


def country_list() -> list[dict[str, str]]:
    """`/configuration/countries`: a bare array."""
    return [{"english_name": name, "iso_3166_1": code, "native_name": own} for code, name, own in COUNTRIES]


def language_list() -> list[dict[str, str]]:
    """`/configuration/languages`: a bare array, odd codes and empty names included."""
    odd = [{"english_name": name, "iso_639_1": code, "name": own} for code, name, own in ODD_LANGUAGES]
    return [*LANGUAGE_ROWS.values(), *odd]


def job_list() -> list[dict[str, Any]]:
    """`/configuration/jobs`: a bare array."""
    actors: dict[str, Any] = {"department": "Actors", "jobs": ["Actor", "Stunt Double", "Voice"]}
    return [actors, *({"department": name, "jobs": sorted(set(jobs))} for name, jobs in JOBS.items())]
