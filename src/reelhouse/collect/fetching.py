"""Fetching: every pending question of a run is asked until it is settled, or stays pending with a word on why."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from reelhouse.collect.landing import Lander, OpenUnit, open_unit
from reelhouse.collect.outcome import Judge, Outcome, parses
from reelhouse.errors import TransientError
from reelhouse.raw.plan import Plan, Question, Unit, read_units
from reelhouse.raw.receipt import State
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.asking import ask
from reelhouse.tmdb.client import BudgetError, GoneAnswer, TmdbClient, UntrustedAnswer
from reelhouse.tmdb.endpoints import CANARY

# Seconds that requests on their way may take beyond the moment when no new one is started.
_GRACE = 3.0

# Beyond so many ids that fail while others succeed it is no fault of the ids.
_MOST_DEFERRED = 10_000


class Brakes:
    """Why to stop asking before everything is asked: so many requests, so many seconds, or a person's wish."""

    def __init__(self, *, max_requests: int | None = None, deadline: float | None = None) -> None:
        self.max_requests = max_requests
        self._until = None if deadline is None else time.monotonic() + deadline
        self._wished: str | None = None
        self._taken = 0
        self._spent = 0

    def stop(self, why: str) -> None:
        """Take no further id."""
        self._wished = self._wished or why

    def take(self) -> bool:
        """Whether one more id may be asked; if so it is counted."""
        if self.why is not None:
            return False
        self._taken += 1
        return True

    @property
    def why(self) -> str | None:
        """Why no further id may be taken, None while one may."""
        if self._wished:
            return self._wished
        if self.max_requests is not None and self._taken >= self.max_requests:
            return "max_requests is used up"
        if self._until is not None and time.monotonic() >= self._until:
            return "the deadline is reached"
        return None

    @property
    def requests_left(self) -> int | None:
        """Of those that were allowed, over all runs; None without a limit."""
        return None if self.max_requests is None else max(0, self.max_requests - self._spent)

    def spend(self, requests: int) -> None:
        """A run is left after so many requests."""
        self._spent += requests

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline; None without one."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())


class Patience(NamedTuple):
    """How often one id is asked, how long to wait for a TMDB that answers nobody, and the first pause, in seconds."""

    attempts: int = 5
    outage: float = 900.0
    wait: float = 0.5


class OutageError(TransientError):
    """TMDB has answered nobody for as long as patience lasts."""


class Fetcher:
    """Carries out one plan with as many tasks as connections."""

    def __init__(
        self,
        storage: Storage,
        plan: Plan,
        client: TmdbClient,
        judge: Judge,
        lander: Lander,
        brakes: Brakes,
        *,
        path: str,
        query: str,
        connections: int,
        patience: Patience,
        skipped: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._storage = storage
        self._plan = plan
        self._client = client
        self._judge = judge
        self._lander = lander
        self._brakes = brakes
        self._path = path
        self._query = query
        self._connections = connections
        self._patience = patience
        self._skipped = skipped
        self._ready: deque[tuple[OpenUnit, Question]] = deque()
        self._units: Iterator[Unit] = read_units(storage, plan)
        self._feeding = asyncio.Lock()
        self._deferred: list[tuple[OpenUnit, Question]] = []
        # Nobody was asked before, however long planning took: that is no silence of TMDB's.
        self._began = time.monotonic()

    async def run(self) -> str | None:
        """Ask everything that is pending. Returns None when all was asked, else why not.

        Raises `DeniedError`, `ConfigError` or an error of the lake. Whatever was answered is landed before it returns
        or raises, unless the lake itself failed.
        """
        ticking = asyncio.create_task(self._lander.tick())
        before = self._client.requests
        self._client.limit_requests(self._brakes.requests_left)
        try:
            await self._all_hands(self._work)
            if self._deferred and self._brakes.why is None:
                self._ready.extend(self._deferred)
                self._deferred = []
                await self._all_hands(self._work_off)
        except OutageError as exc:
            return str(exc)
        finally:
            ticking.cancel()
            # Planning the next run is not what the limit is about.
            self._client.limit_requests(None)
            self._brakes.spend(self._client.requests - before)
            await self._lander.finish()
        return self._brakes.why

    async def _all_hands(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run *work* once per connection. When one fails or time is up, the others may bring in what is on its way."""
        tasks = [asyncio.ensure_future(work()) for _ in range(self._connections)]
        try:
            done, late = await asyncio.wait(
                tasks, return_when=asyncio.FIRST_EXCEPTION, timeout=self._brakes.seconds_left
            )
            if late:
                self._brakes.stop("the deadline is reached")
                await asyncio.wait(late, timeout=_GRACE)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _work(self) -> None:
        while self._brakes.why is None and (found := await self._next()) is not None and self._brakes.take():
            await self._settle(*found, defer=True)

    async def _work_off(self) -> None:
        while self._ready and self._brakes.take():
            await self._settle(*self._ready.popleft(), defer=False)

    async def _next(self) -> tuple[OpenUnit, Question] | None:
        if not self._ready:
            async with self._feeding:
                while not self._ready and (unit := await asyncio.to_thread(next, self._units, None)) is not None:
                    await self._feed(unit)
        return self._ready.popleft() if self._ready else None

    async def _feed(self, unit: Unit) -> None:
        opened = await asyncio.to_thread(open_unit, self._storage, self._plan, unit.number)
        pending = [question for question in unit.questions if question.ask not in opened.known]
        opened.outstanding = len(pending)
        self._ready.extend((opened, question) for question in pending)
        self._skipped(len(unit.questions) - len(pending))

    async def _settle(self, unit: OpenUnit, question: Question, *, defer: bool) -> None:
        """Ask one question until it has an outcome, is deferred, or nobody is answered any more."""
        try:
            outcome = await self._outcome(question, defer=defer)
        except BudgetError:
            self._brakes.stop("max_requests is used up")
            return
        if outcome is None:
            self._defer(unit, question)
        else:
            await self._lander.add(unit, question, outcome)

    async def _outcome(self, question: Question, *, defer: bool) -> Outcome | None:
        while True:
            began = time.monotonic()
            try:
                return await self._ask(question)
            except TransientError as exc:
                # A 429 is no fault of the id, so it is simply asked again.
                if not exc.throttled and await self._others_succeed(began, look=not defer):
                    return None if defer else Outcome(State.QUARANTINED, None, _own_id(question), "unavailable")
                silent = time.monotonic() - max(self._client.last_good, self._began)
                if silent >= self._patience.outage:
                    raise OutageError(f"TMDB has answered nobody for {silent:.0f} s; last: {exc}") from exc
                if self._brakes.why is not None:
                    return None

    async def _others_succeed(self, since: float, *, look: bool) -> bool:
        if self._client.last_good > since:
            return True
        if look:
            with suppress(TransientError, UntrustedAnswer, GoneAnswer):
                await self._client.get(CANARY)
        return self._client.last_good > since

    async def _ask(self, question: Question) -> Outcome:
        name = question.ask
        try:
            return await ask(
                self._client,
                self._path + name,
                self._query,
                lambda answer: self._judge.judge(name, answer),
                attempts=self._patience.attempts,
                wait=self._patience.wait,
            )
        except GoneAnswer as exc:
            return Outcome(State.GONE, exc.answer, _own_id(question))
        except UntrustedAnswer as exc:
            whole = parses(exc.answer.body)
            return Outcome(State.QUARANTINED, exc.answer, _own_id(question), exc.why, whole)

    def _defer(self, unit: OpenUnit, question: Question) -> None:
        self._deferred.append((unit, question))
        if len(self._deferred) >= _MOST_DEFERRED:
            self._brakes.stop(f"TMDB fails for {len(self._deferred)} ids while it answers others")


def _own_id(question: Question) -> int | None:
    return int(question.ask) if question.ask.isdigit() else None
