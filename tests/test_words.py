"""Private words stay out: a newcomer would guess wrongly what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The word, and what to write instead.
WORDS = {
    "anew": "again",
    "mend": "correct",
    "mends": "corrects",
    "mended": "corrected",
    "whoever": "name who it is: the caller, the user, another writer",
    "what lies there": "name it: the stored objects, the file",
    "as good as none": "say what is ignored",
    "for want of": "without, out of",
    "told": "configured, announced, passed; name a variable by what it holds",
    "brakes": "stop conditions",
    "patience": "retry policy, timeout",
    "doomed": "to erase",
    "remnants": "audit, remains",
    "turning": "staging of the course layout",
    "salvage": "lenient parse",
    "doubtful": "suspect",
    "horizon": "pending runs",
    "lending": "credential server",
    "misbehaving": "fault responses",
    "upkeep": "maintenance",
}

# Case matters: an inbox message is no class `Letter`, `standing` is an English verb.
CLASSES = {"Letter": "InboxMessage", "Standing": "LakeState", "Shift": "Invocation", "Shelf": "LeaseStore"}


# Figures and sentences that `make bench` writes; invented titles; this list.
EXEMPT = ("docs/benchmarks.md", "src/reelhouse/emulator/catalog/vocabulary.py", "tests/test_words.py")

# A name is made of words too: `test_the_bus_is_told` has five.
_PRIVATE = re.compile(rf"(?<![^\W_])(?:{'|'.join(WORDS)})(?![^\W_])", re.IGNORECASE)
_CLASS = re.compile(rf"\b(?:{'|'.join(CLASSES)})\b(?=\(|:|\[)")
# Constructions that a native editor would replace, with what to write.
CONSTRUCTIONS = {
    r"(?<!there )\b(?:is|are|was|were) no (?!longer|more|less|fewer|matter|other)[a-z]": "is not a …",
    r"\bone (?:answer|column|file|folder|id|line|object|request|row) an? (?!second\b)[a-z]": "one … per …",
}
_CONSTRUCTION = re.compile("|".join(CONSTRUCTIONS), re.IGNORECASE)
# The name of a module in bench/, which docs/maintain.md names.
_MODULE = re.compile(r"bench\.upkeep")


def _texts() -> Iterator[Path]:
    for folder, pattern in (("src", "*.py"), ("tests", "*.py"), ("docs", "*.md")):
        yield from sorted((ROOT / folder).rglob(pattern))
    yield ROOT / "README.md"


def _found(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        plain = _MODULE.sub("", line)
        for found in (*_PRIVATE.finditer(plain), *_CLASS.finditer(line), *_CONSTRUCTION.finditer(line)):
            yield number, found[0]


def _instead(found: str) -> str:
    ways = (way for pattern, way in CONSTRUCTIONS.items() if re.match(pattern, found, re.IGNORECASE))
    return WORDS.get(found.lower()) or CLASSES.get(found) or next(ways)


def test_private_words_stay_out() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {word!r}: {_instead(word)}"
        for path in _texts()
        if not path.relative_to(ROOT).as_posix().startswith(EXEMPT)
        for number, word in _found(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "begun anew",
        "Mend it",
        "class Letter(Struct):",
        "whoever asks",
        "test_it_is_told",
        "this is no movie",
        "One row a movie",
    ],
)
def test_a_private_word_would_be_found(text: str) -> None:
    assert list(_found(text))


@pytest.mark.parametrize(
    "text",
    [
        "recommended",
        "a letter",
        "python -m bench.upkeep 2500 8",
        "Saltold",
        "untold",
        "there is no lake",
        "is no longer",
        "gave one id a second time",
    ],
)
def test_a_word_that_only_looks_like_one_is_left_alone(text: str) -> None:
    assert not list(_found(text))
