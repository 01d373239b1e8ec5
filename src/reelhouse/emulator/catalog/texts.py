"""Overviews, taglines and reviews, put together from invented phrases."""

import re
from random import Random

from reelhouse.emulator.catalog import vocabulary
from reelhouse.emulator.catalog.facts import Facts
from reelhouse.emulator.catalog.seeds import mix

_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")


def overview_of(facts: Facts) -> str:
    """Two to five sentences; "" for a share of the least known movies."""
    bits = mix(facts.bits, 0x0E)
    if (bits & 15 == 0 and facts.fame < 0.6) or (bits & 7 == 1 and facts.fame < 0.1):
        return ""
    who = _fill(vocabulary.WHO[(bits >> 4) % len(vocabulary.WHO)], bits >> 8)
    what = _fill(vocabulary.WHAT[(bits >> 10) % len(vocabulary.WHAT)], bits >> 16)
    text = f"{who[0].upper()}{who[1:]} {what}."
    for turn in range(1 + (bits >> 52) % 3):
        text += " " + _fill(vocabulary.THEN[(bits >> (20 + 6 * turn)) % len(vocabulary.THEN)], bits >> (24 + turn))
    return text + vocabulary.QUIRKS[(bits >> 44) % len(vocabulary.QUIRKS)] if bits >> 38 & 31 == 0 else text


def tagline_of(facts: Facts) -> str:
    """Mostly "" outside the well-known movies."""
    bits = mix(facts.bits, 0x7A)
    if (bits & 255) / 256 > 0.1 + facts.fame:
        return ""
    return _fill(vocabulary.TAGLINES[(bits >> 8) % len(vocabulary.TAGLINES)], bits >> 16)


def overview_in(language: str, rng: Random) -> str:
    """A short overview in another language, "" if there is none."""
    sentences = vocabulary.SENTENCES.get(language)
    if sentences is None or rng.random() < 0.15:
        return ""
    return " ".join(sentences[int(rng.random() * len(sentences))] for _ in range(2 + int(rng.random() * 3)))


def slug(title: str) -> str:
    """A title as in a web address."""
    return _NOT_A_SLUG.sub("-", title.lower()).strip("-")


def _fill(template: str, bits: int) -> str:
    if "{" not in template:
        return template
    return template.format(
        a=vocabulary.ADJECTIVES[bits % len(vocabulary.ADJECTIVES)].lower(),
        n=vocabulary.NOUNS[(bits >> 7) % len(vocabulary.NOUNS)].lower(),
        p=vocabulary.PLACES[(bits >> 14) % len(vocabulary.PLACES)],
    )
