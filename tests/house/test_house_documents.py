"""What the documents name is there: files, presets, commands."""

import re
from pathlib import Path

import pytest

from normalis.cli.main import app
from normalis.presets import PRESETS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    pytest.param(path, id=path.relative_to(ROOT).as_posix())
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_quoted_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = {document.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    quoted = re.findall(r"(?:benchmarks|experiments|examples|docs)/[\w/.*-]*\w", text)
    files = links | {ROOT / name for name in quoted if "*" not in name}
    assert not {str(path) for path in files if not path.exists()}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_presets_that_are_asked_for_exist(document: Path) -> None:
    text = " ".join(document.read_text(encoding="utf-8").split())
    asked = re.findall(r"--presets? ([a-z][\w-]*)", text)
    assert not set(asked) - set(PRESETS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    called = re.findall(r"^normalis (\w+)|`normalis (\w+)", text, re.MULTILINE)
    groups = {group.name for group in app.registered_groups}
    commands = {getattr(each.callback, "__name__", each.name) for each in app.registered_commands}
    assert not {first or second for first, second in called} - groups - commands
