"""Star schema: dimensions, bridges and facts made of the typed tables. `star.MARTS` has them all, in order."""

from __future__ import annotations

from reelhouse.marts.measures import Measures
from reelhouse.marts.star import MARTS, marts_with

__all__ = ["MARTS", "Measures", "marts_with"]
