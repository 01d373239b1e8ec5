"""The search for secrets finds them: in plain files, packed ones and cut ones."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from tests.conftest import SECRETS, holds_secret


@pytest.mark.parametrize("name", ["plain", "packed", "cut", "zip"])
def test_a_secret_is_found_however_it_lies(name: str, tmp_path: Path) -> None:
    text = b"x" * 4000 + SECRETS[0] + b"y"
    path = tmp_path / name
    if name == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("inner", text)
    else:
        path.write_bytes({"plain": text, "packed": gzip.compress(text), "cut": gzip.compress(text)[:-9]}[name])
    assert holds_secret(path)
    path.unlink()


def test_what_holds_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x" * 4000)
    assert not holds_secret(tmp_path / "plain")
