"""Which request fails, and how: decided by seed, profile, request and how often it was made before."""

from collections import Counter
from dataclasses import dataclass

from reelhouse.emulator.catalog.seeds import mix, mix_text
from reelhouse.emulator.options import EmulatorError

_SCALE = 10_000
# Listings and exports fail this much less often than details, and never so long that a patient client gives up.
_LISTING_SHARE = 0.5
_LISTING_TIMES = 2
_BURST = 8
_DRIFTING = "drifting-pages"
_OUTAGE = ("503", "503", "503", "reset")


@dataclass(frozen=True, slots=True)
class Profile:
    """*faults* to choose from; *bursts* lets ids that follow one another fail together; *listings*: they fail too."""

    faults: tuple[str, ...]
    about: str
    bursts: bool = False
    listings: bool = True


PROFILES: dict[str, Profile] = {
    "429-bursts": Profile(("429",), "runs of neighbouring ids are answered 429, code 25", bursts=True),
    "500": Profile(("500",), "HTTP 500, code 11"),
    "502": Profile(("502", "502-html"), "HTTP 502, code 43 or a proxy's HTML page"),
    "503": Profile(("503",), "HTTP 503, code 9"),
    "504": Profile(("504", "504-html"), "HTTP 504, code 24 or a proxy's HTML page"),
    "resets": Profile(("reset",), "the connection is closed without an answer"),
    "slow": Profile(("slow",), "the body comes in small pieces, half a second in all"),
    "cut": Profile(("cut", "cut-gzip"), "the body ends early: less than Content-Length says, or half a gzip stream"),
    "invalid-json": Profile(("invalid-json",), "HTTP 200 with JSON that stops making sense"),
    "html-200": Profile(("html-200",), "HTTP 200 with an HTML page"),
    "html-404": Profile(("html-404",), "HTTP 404 with an HTML page, though the thing exists"),
    "wrong-ids": Profile(("wrong-id",), "the body of another of its kind", listings=False),
    "vanishing-ids": Profile(("vanished",), "HTTP 404, code 34, for a thing that exists", listings=False),
    "gzip-unlabelled": Profile(("gzip-unlabelled",), "a gzip body without Content-Encoding, requested or not"),
    "half-surrogate": Profile(("half-surrogate",), "HTTP 200 with half a surrogate in the first text", listings=False),
    _DRIFTING: Profile(("drift",), "a row moves to the next page of its list between two requests; totals grow"),
    "outage": Profile(_OUTAGE, "every request to the API fails while the profile is on", listings=False),
}
_DETAILS_ONLY = ("wrong-id", "vanished", "half-surrogate")
# What a client keeps from these differs from what it would have kept otherwise, or never comes.
_NOT_IN_THE_MIXTURE = ("outage", "half-surrogate", _DRIFTING)
PROFILES["all"] = Profile(
    tuple(fault for name, profile in PROFILES.items() if name not in _NOT_IN_THE_MIXTURE for fault in profile.faults),
    f"a mixture of all of them but {', '.join(_NOT_IN_THE_MIXTURE)}",
)


class Faults:
    """The faults of one profile, from its start or its last change."""

    def __init__(self, seed: int, profile: str | None, share: float) -> None:
        self._seed, self._share = seed, share
        self.switch(profile)

    def switch(self, profile: str | None) -> None:
        """Change to *profile* (None: no faults) and reset all counts of requests."""
        if profile in (None, "", "none"):
            self.profile, self._plan = None, None
        elif profile in PROFILES:
            self.profile, self._plan = profile, PROFILES[str(profile)]
        else:
            raise EmulatorError(f"no fault profile {profile!r}; there are: {', '.join(PROFILES)}")
        self._asked: Counter[tuple[str, int] | str] = Counter()

    def for_detail(self, kind: str, number: int) -> str | None:
        """The fault of this request for the thing of *kind* with this id, None when it goes well."""
        if self._plan is None or self.profile in (None, _DRIFTING):
            return None
        if self.profile == "outage":
            return self._outage()
        # Ids of different kinds share nothing but the number.
        salt = self.profile if kind == "movie" else self.profile + kind
        bits = mix(mix_text(self._seed, salt), number // _BURST if self._plan.bursts else number)
        if bits % _SCALE >= self._share * _SCALE:
            return None
        return self._while_it_lasts(
            (kind, number), _times(bits), self._plan.faults[(bits >> 40) % len(self._plan.faults)]
        )

    def for_listing(self, key: str, *, export: bool = False) -> str | None:
        """The fault of this request for a page of a list or for an export."""
        if self._plan is None or self.profile is None:
            return None
        if self.profile == "outage":
            return None if export else self._outage()
        if self.profile == _DRIFTING:
            return None if export else "drift"
        faults = [fault for fault in self._plan.faults if fault not in _DETAILS_ONLY]
        bits = mix_text(mix_text(self._seed, self.profile), key)
        if export and self.profile == "cut":
            return self._while_it_lasts(key, 1, faults[bits % len(faults)])
        if not self._plan.listings or bits % _SCALE >= self._share * _LISTING_SHARE * _SCALE:
            return None
        return self._while_it_lasts(key, min(_times(bits), _LISTING_TIMES), faults[(bits >> 40) % len(faults)])

    def _while_it_lasts(self, key: tuple[str, int] | str, times: int, fault: str) -> str | None:
        self._asked[key] += 1
        return fault if self._asked[key] <= times else None

    def _outage(self) -> str:
        self._asked["outage"] += 1
        return _OUTAGE[self._asked["outage"] % len(_OUTAGE)]


def _times(bits: int) -> int:
    """Six in ten of the unlucky fail once, three twice, one so long that a run gives up on it."""
    return (1, 1, 1, 1, 1, 1, 2, 2, 2, 8)[(bits >> 20) % 10]
