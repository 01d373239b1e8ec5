from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture
def no_waits() -> Iterator[None]:
    """As many attempts as in earnest, without the pauses between them."""
    with stamina.set_testing(True, attempts=99, cap=True):
        yield
