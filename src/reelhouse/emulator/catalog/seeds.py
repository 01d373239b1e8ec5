"""Chance that comes from a seed alone: mixed bits, permutations and sparse ids, the same in every process."""

import math
from hashlib import blake2b
from itertools import combinations
from statistics import NormalDist

_MASK = (1 << 64) - 1


def mix(a: int, b: int) -> int:
    """64 well-mixed bits of two numbers."""
    z = (a * 0x9E3779B97F4A7C15 + b * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def mix_text(seed: int, text: str) -> int:
    """64 well-mixed bits of a number and a text (`hash` differs from process to process)."""
    return mix(seed, int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little"))


# The normal distribution at 1,024 even steps, so that ten hashed bits give a normal draw.
NORMAL = tuple(NormalDist().inv_cdf((step + 0.5) / 1024) for step in range(1024))


class Permutation:
    """A shuffle of 0..size-1 that needs no memory and knows its inverse."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._factor = self._coprime_near(int(size * 0.6180339887) + mix(seed, 1) % max(1, size // 8))
        self._shift = mix(seed, 2) % size
        self._inverse = pow(self._factor, -1, size) if size > 1 else 0

    def _coprime_near(self, start: int) -> int:
        factor = max(1, start)
        while math.gcd(factor, self._size) != 1:
            factor += 1
        return factor

    def place(self, index: int) -> int:
        """Where *index* comes in the shuffle."""
        return (index * self._factor + self._shift) % self._size

    def at(self, place: int) -> int:
        """Which index stands at *place*."""
        return (place - self._shift) * self._inverse % self._size


class Numbering:
    """Sparse ids for 0, 1, 2, ...: of every ten consecutive ids seven are taken, which seven depends on the seed."""

    SPAN = 10
    TAKEN = 7
    OFFSETS = tuple(combinations(range(10), 7))

    def __init__(self, seed: int, first: int = 2) -> None:
        self._seed = seed
        self._first = first

    def id_of(self, index: int) -> int:
        """The id of the *index*-th thing."""
        block, rank = divmod(index, self.TAKEN)
        return self._first + block * self.SPAN + self._taken_in(block)[rank]

    def index_of(self, number: int) -> int | None:
        """The index behind an id, None for a number that is nobody's id."""
        block, offset = divmod(number - self._first, self.SPAN)
        if block < 0:
            return None
        taken = self._taken_in(block)
        return block * self.TAKEN + taken.index(offset) if offset in taken else None

    def _taken_in(self, block: int) -> tuple[int, ...]:
        return self.OFFSETS[mix(self._seed, block) % len(self.OFFSETS)]
