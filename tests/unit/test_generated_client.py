"""The TypeScript client's types and tables are those of the server."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES
from tickwire.protocol.session import ALL_METHODS

PROGRAM = Path(__file__).parents[2] / "clients" / "generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_client", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_file_is_up_to_date(generate: ModuleType) -> None:
    text = generate.TARGET.read_text()
    assert generate.generated() == text, "run: python clients/generate.py"
    for name in (*ERROR_CODES, *(f'"{name}"' if "." in name else name for name in ALL_METHODS)):
        assert f"\n  {name}: " in text
    for code, meaning in CLOSE_CODES.items():
        assert f"{code}: {msgspec.json.encode(meaning).decode()}," in text


def test_no_integer_is_left_without_a_type(generate: ModuleType) -> None:
    class Later(msgspec.Struct, frozen=True):
        """A message with a field that is in neither table."""

        happened: int

    with pytest.raises(SystemExit, match="happened"):
        generate.interface(Later)
    assert not generate.TIMES & generate.NUMBERS
