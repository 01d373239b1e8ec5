"""The program by hand that building is measured against makes the same rows, else the comparison means nothing."""

from __future__ import annotations

import pytest

from bench.building import Built, build_all

pytest.importorskip("pysail")


@pytest.fixture(scope="module")
def built() -> Built:
    return build_all(300)


@pytest.mark.long
def test_both_make_the_same_rows(built: Built) -> None:
    """Also after a second build. A new table or column belongs into bench/baseline/*.sql too."""
    assert built.differing == []


@pytest.mark.long
def test_a_build_of_nothing_starts_no_engine(built: Built) -> None:
    """Measured: a sixth of a build of so few movies, which is all start."""
    assert built.nothing.cpu < built.first.cpu / 2
