"""What a run reports while it works, and at its end. Loads nothing that asks TMDB."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

import msgspec

from reelhouse.logs import log
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import Receipt
from reelhouse.raw.reconciliation import ABANDONED, Reconciliation


class RequestStats(NamedTuple):
    """How the requests of a call stand, once a second: their number, those answered 429, seconds of pauses, retries.

    *silent* are the seconds for which TMDB has answered nothing, by now; *failure* is the last error in them, if any.
    """

    requests: int
    throttled: int
    waited: float
    retries: int
    silent: float
    failure: str


# Seconds of silence that are worth a line, and between two lines of a log.
SILENCE = 20.0
_LINE = 30.0


class Progress:
    """What a run reports while it works. This one writes it to the log. *step* is done while no run is planned."""

    def __init__(self, step: str = "planning") -> None:
        self._step = step
        self._plan: Plan | None = None
        self._settled = 0
        self._answers: deque[tuple[float, int]] = deque(maxlen=30)
        self._answered = 0
        self._throttled = 0
        self._next_line = time.monotonic() + _LINE
        self._next_warning = 0.0

    def begins(self, plan: Plan) -> None:
        """A run is planned and not put yet; raises to prevent it."""

    def planned(self, plan: Plan) -> None:
        """A run begins or goes on."""
        self._plan, self._settled = plan, 0
        log.info("working", extra={"run": plan.run, "entity": plan.entity, "requested": plan.ids.count})
        for one in plan.set_aside:
            log.warning("set aside: %s", one.reason, extra={"count": one.count, "shown": one.shown})

    def skipped(self, count: int) -> None:
        """So many ids of the run have their receipts already."""
        self._settled += count

    def answered(self) -> None:
        """An id of the run is settled; it is safe once it has landed."""
        self._settled += 1
        self._answered += 1

    def landed(self, receipt: Receipt) -> None:
        """Answers are safe."""
        log.debug("landed", extra={"run": receipt.run, "unit": receipt.unit, "answers": len(receipt.outcomes)})

    def paused(self, seconds: float) -> None:
        """TMDB asked to slow down (429): nothing is requested for so long."""
        log.debug("TMDB asks to slow down (429)", extra={"seconds": round(seconds, 1)})

    def replayed(self, count: int, place: str) -> None:
        """So many answers that waited in *place* were brought in."""
        log.info("replayed from the spool", extra={"answers": count})

    def left(self, text: str) -> None:
        """Something waits in the spool and stays there; *text* says what and why."""
        log.warning("left in the spool: %s", text)

    def beat(self, beat: RequestStats) -> None:
        """A second has passed."""
        now = time.monotonic()
        self._answers.append((now, self._answered))
        self._throttled = beat.throttled
        if beat.silent < SILENCE:
            self._next_warning = 0.0
        elif now >= self._next_warning:
            self._next_warning = now + _LINE
            log.warning(silence(beat))
        if now >= self._next_line:
            self._next_line = now + _LINE
            log.info("%s", f"run {self._plan.run} ({self._plan.entity}): {self.state}" if self._plan else self._step)

    @property
    def state(self) -> str:
        """How far the run is, at which rate, and how long the rest takes at that."""
        if self._plan is None:
            return ""
        parts = [f"{self._settled:,} of {self._plan.ids.count:,}"]
        since, before = self._answers[0] if self._answers else (0.0, 0)
        now, answered = self._answers[-1] if self._answers else (0.0, 0)
        if answered > before:
            rate = (answered - before) / (now - since)
            parts += [f"{rate:.0f}/s", f"{duration((self._plan.ids.count - self._settled) / rate)} left"]
        return " · ".join([*parts, *([f"{self._throttled:,} × 429"] if self._throttled else [])])


def silence(beat: RequestStats) -> str:
    """What a user reads while TMDB answers nothing."""
    last = f" (last: {beat.failure})" if beat.failure else ""
    return f"TMDB has not answered for {duration(beat.silent)}{last}"


def duration(seconds: float) -> str:
    """`8 h 36 min`, `25 min`, `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min" if whole >= 120 else f"{whole} s"


class RunResult(NamedTuple):
    """How a run stands after it was worked on: reconciled, or open with a reason.

    *requests* are those of this call, *throttled* those that were answered 429, *waited* the seconds for which these
    kept everybody waiting, *retries* are requests made again after a failure, *replayed* the answers that it brought in
    from the spool, *oldest* is when the oldest of all landed answers was fetched, once the run is reconciled,
    *dates_refused* how many answers of this call had a time that was not believed, *notes* are sentences that a person
    must read.
    """

    plan: Plan
    reconciliation: Reconciliation | None
    pending: int
    reason: str | None
    requests: int
    states: dict[str, int]
    throttled: int = 0
    waited: float = 0.0
    retries: int = 0
    replayed: int = 0
    oldest: str | None = None
    dates_refused: int = 0
    notes: tuple[str, ...] = ()

    def after(self, before: RunResult) -> RunResult:
        """This and an earlier turn of the same run as one result."""
        return self._replace(
            requests=before.requests + self.requests,
            throttled=before.throttled + self.throttled,
            waited=before.waited + self.waited,
            retries=before.retries + self.retries,
            dates_refused=before.dates_refused + self.dates_refused,
            notes=(*before.notes, *self.notes),
        )

    @property
    def complete(self) -> bool:
        return self.reconciliation is not None and self.reconciliation.complete

    @property
    def clean(self) -> bool:
        plain = self.complete and self.reason is None and not self.plan.set_aside
        return plain and self.reconciliation is not None and self.reconciliation.clean


class RunSummary(msgspec.Struct, frozen=True):
    """A run's result as plain values; `asked = landed + filtered + gone + quarantined + abandoned + pending`.

    *reason* says why the run is open or was stopped, *set_aside* what of the inbox it could not request.
    """

    run: int
    entity: str
    complete: bool
    clean: bool
    listed: int
    not_in_listing: int
    excluded: dict[str, int]
    up_to_date: int
    requested: int
    causes: dict[str, int]
    landed: int
    filtered: int
    gone: int
    quarantined: int
    abandoned: int
    pending: int
    requests: int
    throttled: int
    waited_seconds: float
    retries: int
    replayed: int
    set_aside: list[dict[str, Any]]
    drift: dict[str, int]
    dates_refused: int
    notes: tuple[str, ...]
    reason: str | None


def summary_of(result: RunResult) -> RunSummary:
    """The summary of a run."""
    plan = result.plan
    return RunSummary(
        run=plan.run,
        entity=plan.entity,
        complete=result.complete,
        clean=result.clean,
        listed=plan.counts.listed,
        not_in_listing=plan.counts.not_in_listing,
        excluded=plan.counts.excluded,
        up_to_date=plan.counts.up_to_date,
        requested=plan.ids.count,
        causes=plan.counts.requested,
        **{name: result.states.get(name, 0) for name in ("landed", "filtered", "gone", "quarantined")},
        abandoned=result.reconciliation.abandoned if result.reconciliation else result.states.get(ABANDONED, 0),
        pending=result.pending,
        requests=result.requests,
        throttled=result.throttled,
        waited_seconds=round(result.waited, 1),
        retries=result.retries,
        replayed=result.replayed,
        set_aside=msgspec.to_builtins(plan.set_aside),
        drift=result.reconciliation.drift if result.reconciliation else {},
        dates_refused=result.dates_refused,
        notes=result.notes,
        reason=result.reason,
    )
