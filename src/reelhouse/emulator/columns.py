"""The columns that discover filters by: some forty bytes per title, filled by the first discover request."""

from array import array

from reelhouse.emulator.catalog import reference
from reelhouse.emulator.catalog.protocol import Titles
from reelhouse.emulator.revising import revise
from reelhouse.emulator.world import World

_GENRES = dict.fromkeys((*reference.GENRE_NAMES, *reference.TV_GENRE_NAMES))
_GENRE_BITS = {number: 1 << place for place, number in enumerate(_GENRES)}


class TitleColumns:
    """One value of each kind per title, at the title's index."""

    def __init__(self, catalogue: Titles) -> None:
        self._catalogue = catalogue
        self.popularity = array("d")
        self.day = array("i")
        self.vote_average = array("d")
        self.vote_count = array("i")
        self.runtime = array("i")
        self.revenue = array("q")
        self.genres = array("L")
        self.language = array("H")
        self.countries = array("H")
        self.hidden = bytearray()
        self._codes: dict[str, int] = {}
        self._editions: dict[int, int] = {}

    def code(self, text: str) -> int:
        """The number that stands for a language or a list of countries."""
        return self._codes.setdefault(text, len(self._codes))

    def codes_with(self, part: str) -> set[int]:
        """The numbers of all the texts that contain *part* among their comma-separated parts."""
        return {code for text, code in self._codes.items() if part in text.split(",")}

    def follow(self, world: World) -> None:
        """Take in titles added and edited since."""
        for index in range(len(self.day), world.count):
            self._append(index)
        for index, revision in world.revisions().items():
            if self._editions.get(index) != revision:
                self._edit(index, revision)

    def _append(self, index: int) -> None:
        traits = self._catalogue.traits(index)
        self.popularity.append(traits.popularity)
        self.day.append(traits.day)
        self.vote_average.append(traits.vote_average)
        self.vote_count.append(traits.vote_count)
        self.runtime.append(traits.runtime)
        self.revenue.append(traits.revenue)
        self.genres.append(genre_mask(traits.genres))
        self.language.append(self.code(traits.language))
        self.countries.append(self.code(",".join(traits.countries)))
        self.hidden.append(2 * traits.video + traits.adult)

    def _edit(self, index: int, revision: int) -> None:
        traits = self._catalogue.traits(index)
        edited = {"vote_count": traits.vote_count, "runtime": traits.runtime}
        revise(edited, revision)
        self.vote_count[index], self.runtime[index] = edited["vote_count"], edited["runtime"]
        self._editions[index] = revision


def genre_mask(genres: tuple[int, ...]) -> int:
    """One bit for each genre; a number that is not a genre of TMDB's has none."""
    mask = 0
    for number in genres:
        mask |= _GENRE_BITS.get(number, 0)
    return mask
