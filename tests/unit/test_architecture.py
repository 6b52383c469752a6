"""The core is pure and imports point one way. Read from the source, so that no import order can hide it."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tickwire"

# Each package may import itself and those before it. Everything up to `dialects` is the core.
CORE = ["errors", "limits", "model", "meters", "book", "engine", "market", "streams", "protocol", "dialects"]
ORDER = [
    *CORE, "clock", "keyfile", "tape", "config", "feeds", "observe", "server", "frames", "plots", "client", "testing",
    "cli",
]  # fmt: skip

IMPURE = {
    "asyncio", "concurrent", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "uuid", "picows", "starlette", "uvicorn", "uvloop", "websockets",
}  # fmt: skip


def modules() -> list[tuple[str, Path]]:
    return [(path.relative_to(SOURCE).parts[0].removesuffix(".py"), path) for path in sorted(SOURCE.rglob("*.py"))]


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
    return found


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_every_package_has_its_place() -> None:
    packages = {package for package, _ in modules()} - {"__init__", "__main__"}
    assert packages == set(ORDER)


@pytest.mark.parametrize(("package", "path"), [m for m in modules() if m[0] in CORE], ids=lambda v: str(v)[-40:])
def test_the_core_is_pure(package: str, path: Path) -> None:
    impure = {module for module in imports(path) if module.split(".")[0] in IMPURE}
    assert not impure, f"{name(path)} imports {impure}"


@pytest.mark.parametrize(("package", "path"), [m for m in modules() if m[0] in CORE], ids=lambda v: str(v)[-40:])
def test_the_core_has_no_float(package: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        line = getattr(node, "lineno", 0)
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{name(path)}:{line}: a float"
        assert not (isinstance(node, ast.Name) and node.id == "float"), f"{name(path)}:{line}: float"
        assert not isinstance(node, ast.Div), f"{name(path)}: / makes a float, use //"


@pytest.mark.parametrize(("package", "path"), [m for m in modules() if m[0] in ORDER], ids=lambda v: str(v)[-40:])
def test_imports_point_one_way(package: str, path: Path) -> None:
    allowed = set(ORDER[: ORDER.index(package) + 1])
    if package == "client":
        allowed.discard("server")  # the two meet on the wire only
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "tickwire" and len(parts) > 1:
            assert parts[1] in allowed, f"{name(path)} imports {module}"
