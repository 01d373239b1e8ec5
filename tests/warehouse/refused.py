"""Answers that are JSON to the collector and that one engine's parser or another refuses, or reads as something else.

Each has a title and a genre, which have to stay, and what is to be found in `rejected_value` for it.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.warehouse.landing import Answer

FIRST = 9_000_001
_DIGITS = "9" * 310
_DEEP = "[" * 130 + "]" * 130
_OFFER = '"watch/providers":{"results":{"DE":{"rent":[{"provider_id":8,"display_priority":%s}]}}}'


class Refused(NamedTuple):
    """*fields* of the body beside title and genre; path, raw value and rule of what is rejected, if anything is."""

    fields: str
    rejected: tuple[str, str, str] | None = None


REFUSED: dict[str, Refused] = {
    "unread, beyond a double": Refused('"x":1e400'),
    "unread, an exponent without end": Refused('"x":-1E+99999999999999999999'),
    "unread, 310 digits": Refused(f'"x":{_DIGITS}'),
    "unread, 5,000 digits": Refused(f'"x":{"7" * 5000}'),
    "unread, nested lists": Refused(f'"x":{_DEEP}'),
    "unread, nested objects": Refused('"x":' + '{"a":' * 130 + "1" + "}" * 130),
    "unread, nested far more deeply": Refused('"x":' + "[" * 700 + "]" * 700),
    "unread, within what is read": Refused('"keywords":{"keywords":[{"id":1,"name":"a","x":{"y":1e400}}]}'),
    "a name of 100,000 letters": Refused(f'"{"k" * 100_000}":1'),
    "a text of 21 million letters": Refused(f'"x":"{"k" * 21_000_000}"'),
    "number": Refused('"popularity":1e400', ("popularity", "1e400", "is not a number")),
    "negative number": Refused('"popularity":-1e400', ("popularity", "-1e400", "is not a number")),
    "number in quotes": Refused('"popularity":"1_0"', ("popularity", "1_0", "is not a number")),
    "number of 310 digits": Refused(f'"popularity":{_DIGITS}', ("popularity", _DIGITS, "is not a number")),
    "whole number": Refused('"budget":1e400', ("budget", "1e400", "is not a whole number")),
    "whole number of 310 digits": Refused(f'"budget":{_DIGITS}', ("budget", _DIGITS, "is not a whole number")),
    "whole number of 20 digits": Refused(f'"budget":{"9" * 20}', ("budget", "9" * 20, "is not a whole number")),
    "flag": Refused('"adult":1e400', ("adult", "1e400", "is neither true nor false")),
    "date": Refused('"release_date":1e400', ("release_date", "1e400", "is not a date")),
    "nested text": Refused(f'"tagline":{_DEEP}', ("tagline", _DEEP, "is not text")),
    "in an item": Refused(
        '"production_companies":[{"id":1e400,"name":"a"}]',
        ("production_companies[0].id", "1e400", "is not a whole number"),
    ),
    "under a key that is data": Refused(
        _OFFER % "1e400", ("watch/providers.results.DE.rent[0].display_priority", "1e400", "is not a whole number")
    ),
    "no number in quotes": Refused('"popularity":"NaN"', ("popularity", "NaN", "is not a number")),
    "endless in quotes": Refused('"popularity":"-Infinity"', ("popularity", "-Infinity", "is not a number")),
    "beyond a whole number by one": Refused(f'"budget":{2**63}', ("budget", str(2**63), "is not a whole number")),
    "the least whole number": Refused(f'"budget":{-(2**63)},"popularity":1e307'),
    "a whole number with a point, a flag in quotes": Refused('"vote_count":1.0,"adult":"true","revenue":"12"'),
    "a text for a list": Refused('"origin_country":"US"', ("origin_country", "US", "is not a list")),
    "a list for a text of a list": Refused('"origin_country":[["US"]]', ("origin_country[0]", '["US"]', "is not text")),
    "a list for a text that is a list elsewhere": Refused(
        '"production_companies":[{"id":1,"origin_country":["US"]}]',
        ("production_companies[0].origin_country", '["US"]', "is not text"),
    ),
    "a list for an object": Refused('"credits":[1]', ("credits", "[1]", "is not an object")),
    "a number in an item": Refused(
        '"credits":{"cast":[{"id":1,"popularity":1e400}]}',
        (
            "credits.cast[0].popularity",
            "1e400",
            "is not a number",
        ),
    ),
    "a list for an object under a key that is data": Refused(
        '"watch/providers":{"results":{"DE":[1]}}', ("watch/providers.results.DE", "[1]", "is not an object")
    ),
    "an object for a text under a key that is data": Refused(
        '"external_ids":{"imdb_id":{"a":1}}', ("external_ids.imdb_id", '{"a": 1}', "is not text")
    ),
    "nothing for objects": Refused('"credits":null,"keywords":{"keywords":null},"watch/providers":{"results":null}'),
    "nothing among objects": Refused(
        '"production_companies":[null,{"id":1}],"credits":{"cast":[null,{"id":1,"name":"A"}],"crew":null},'
        '"reviews":{"results":[{"id":"r","author_details":null}]},"watch/providers":{"results":{"DE":null}}'
    ),
    "a country twice": Refused(
        '"release_dates":{"results":[{"iso_3166_1":"US","release_dates":[{"type":3}]},{"iso_3166_1":"DE","release_dates":[]},'
        '{"iso_3166_1":"US","release_dates":[{"type":4}]},{"release_dates":[]},{"release_dates":[]}]}',
        (
            "release_dates.results[2]",
            '{"iso_3166_1": "US", "release_dates": [{"type": 4}]}',
            "has the key of an earlier item",
        ),
    ),
    "on several lines": Refused('\n"popularity":1e400,\n"x":1e400', ("popularity", "1e400", "is not a number")),
}


def refused_answers() -> list[Answer]:
    """An answer for each of `REFUSED`, with ids from `FIRST` on."""
    known = '{"id":%d,"title":"T","genres":[{"id":18,"name":"Drama"}],%s}'
    bodies = enumerate((known.replace("%s", one.fields) for one in REFUSED.values()), FIRST)
    return [Answer(id_, body.replace("%d", str(id_)).encode()) for id_, body in bodies]
