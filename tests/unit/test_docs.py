"""What the documentation says of the code is what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from tickwire.model.channel import CHANNELS
from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()


def test_the_generated_tables_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for page in generate.PAGES:
        assert generate.filled(page) == page.read_text(), "run: python docs/generate.py"
    for path, document in generate.DOCUMENTS.items():
        assert path.read_text() == generate.written(document()), "run: python docs/generate.py"
    for code in (*ERROR_CODES, *CLOSE_CODES):
        assert re.search(rf"^\| `?{code}`? \|", PROTOCOL, re.MULTILINE)


def test_every_channel_is_described() -> None:
    assert all(f"| `{channel}`" in PROTOCOL for channel in CHANNELS)


def test_every_code_that_is_used_is_in_the_table() -> None:
    used = set()
    for path in (ROOT / "src").rglob("*.py"):
        used |= set(re.findall(r'code="([a-z_]+)"', path.read_text()))
    assert used <= set(ERROR_CODES)
    assert len(used) >= 8


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text())):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
