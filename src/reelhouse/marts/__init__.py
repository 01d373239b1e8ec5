"""Star schema: dimensions, bridges and facts made of the typed tables.

`star.MARTS` has them all, in order, and `star.REGISTRY` all that a lake is built to hold.
"""

from __future__ import annotations

from reelhouse.marts.measures import Measures
from reelhouse.marts.star import MARTS, REGISTRY, marts_with

__all__ = ["MARTS", "REGISTRY", "Measures", "marts_with"]
