"""The examples in docstrings run, and the documentation names what exists."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sizewise
from sizewise import errors
from sizewise.cli.reference import PAGES

ROOT = Path(__file__).resolve().parents[2]
OPTIONAL = ("torch", "transformers", "pyarrow", "huggingface_hub", "pynvml")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(sizewise.__path__, "sizewise.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.split(".")[0] in OPTIONAL:
            pytest.skip(f"{name} needs the optional package {missing.name}")
        raise
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).failed == 0


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated pages, written by a process of its own: click remembers help options from earlier tests."""
    root = tmp_path_factory.mktemp("generated")
    (root / "docs/reference").mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "sizewise.cli.reference", str(root)], check=True)
    return root


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_the_program_says(name: str, generated: Path) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == (generated / name).read_text(encoding="utf-8"), "run: python -m sizewise.cli.reference"


def test_every_exception_is_in_the_tree() -> None:
    page = PAGES["docs/reference/errors.md"]()
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert [name for name in names if name not in page] == []


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_no_path_of_a_machine_is_in_the_documentation() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    assert [page.name for page in pages if re.search(r"(/root/|/home/[a-z])", page.read_text(encoding="utf-8"))] == []
