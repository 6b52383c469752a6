"""When benchmarks believe in a compiled package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import compiled


def test_a_package_compiled_from_other_source_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    source, made = tmp_path / "src", tmp_path / ".compiled"
    module = source / "tickwire" / "market.py"
    module.parent.mkdir(parents=True)
    module.write_text("a = 1\n")
    assert compiled.packages() == {"interpreted": source}
    shutil.copytree(module.parent, made / "tickwire")
    assert compiled.packages() == {"interpreted": source}
    (made / ".built").touch()
    assert compiled.packages() == {"interpreted": source, "compiled": made}
    module.write_text("a = 2\n")
    assert compiled.packages() == {"interpreted": source}
