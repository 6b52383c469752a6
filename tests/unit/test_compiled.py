"""What mypyc is given to compile. That the result does what the source does, `make test-compiled` says."""

import tomllib
from importlib import import_module
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
HOOK = WHEEL["hooks"]["mypyc"]


def compiled() -> list[Path]:
    return [
        path
        for pattern in HOOK["include"]
        for path in ROOT.glob(pattern.lstrip("/"))
        if path.name != "__init__.py" and f"/{path.relative_to(ROOT)}" not in HOOK["exclude"]
    ]


def test_only_who_asks_for_it_needs_a_compiler() -> None:
    assert HOOK["enable-by-default"] is False


def test_there_is_no_machine_code_in_a_checkout() -> None:
    assert not [path for path in (ROOT / "src").rglob("*") if path.suffix in (".so", ".pyd")]


def test_what_every_record_goes_through_is_compiled() -> None:
    hot = ("book/ladder", "book/l3", "engine/matcher", "market/market", "market/listing", "streams/hub")
    orders = ("model/units", "protocol/orders", "protocol/params")
    assert {ROOT / "src/tickwire" / f"{name}.py" for name in hot + orders} <= set(compiled())


def test_no_struct_is_compiled() -> None:
    # mypyc leaves out the class keywords (frozen, eq, gc) and of most annotations all but `type`, by which msgspec
    # would decode: as if nothing were wrong
    for path in compiled():
        module = import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
        own = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
        structs = [each for each in own if isinstance(each, type) and issubclass(each, msgspec.Struct)]
        assert structs == [], f"{path}: its types go where it is not compiled"
