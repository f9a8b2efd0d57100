"""The hand-written documents: links lead somewhere, and what they name is in the code."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mlx_gui"
DOCS = ROOT / "docs"
# Decisions are of their day; these pages speak of the code as it is.
LIVING = ("CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md")

MOST_PICTURE_BYTES = 1_500_000

FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PLACE = re.compile(r"([\w-][\w./-]*(?:\.(?:c|md|py|sh|ts)|/))(?::([\w.]+))?")


def markdown() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(n for n in listing.stdout.split("\0") if n and (ROOT / n).is_file())


def prose(path: Path) -> str:
    return FENCED.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """The headings as GitHub names them in links."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(prose(path))
    }


@pytest.mark.parametrize("name", markdown())
def test_every_link_within_the_repository_leads_somewhere(name: str) -> None:
    page = ROOT / name
    broken: list[str] = []
    for link in LINK.findall(CODE.sub("", prose(page))):
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        if re.match(r"https?://", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_is_in_the_index() -> None:
    listed = {(DOCS / link).resolve() for link in LINK.findall((DOCS / "README.md").read_text())}
    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} - listed == set()


def test_every_picture_is_shown_and_all_of_them_are_small() -> None:
    pictures = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    shown = {Path(link).name for name in markdown() for link in LINK.findall(prose(ROOT / name))}
    assert set(pictures) <= shown
    assert sum(pictures.values()) <= MOST_PICTURE_BYTES


def test_decisions_are_numbered_one_after_the_other() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    wrong = [
        page.name
        for number, page in enumerate(pages, 1)
        if not page.read_text().startswith(f"# {number}: ")
    ]
    assert wrong == []


@pytest.mark.parametrize("name", LIVING)
def test_every_file_and_name_that_a_document_mentions_exists(name: str) -> None:
    mentioned = [
        found for span in CODE.findall(prose(ROOT / name)) if (found := PLACE.fullmatch(span))
    ]
    assert mentioned
    missing = [
        found[0] for found in mentioned if not any(defines(p, found[2]) for p in places(found[1]))
    ]
    assert missing == []


def places(path: str) -> list[Path]:
    """The files or folders that `path` may mean; a bare file name means any of that name."""
    found = [base / path for base in (PACKAGE, ROOT) if (base / path).exists()]
    return found or ([] if "/" in path else list(PACKAGE.rglob(path)))


def defines(path: Path, name: str | None) -> bool:
    return name is None or name in set(definitions(ast.parse(path.read_text())))


def definitions(parent: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    """Names defined in a module, those of class members with their class in front."""
    for node in parent.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield prefix + node.name
            case ast.ClassDef():
                yield prefix + node.name
                yield from definitions(node, f"{prefix}{node.name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name
            case _:
                pass


def test_names_are_found_where_they_are_defined() -> None:
    module = ast.parse("A = 1\nclass B:\n    c: int\n    async def d(self): ...\ndef e(): ...\n")
    assert set(definitions(module)) == {"A", "B", "B.c", "B.d", "e"}


def value_rows() -> list[tuple[str, str]]:
    _, _, table = (DOCS / "glossary.md").read_text().partition("\n## Values\n")
    return re.findall(r"^\| `([\w./]+:\w+)` \| (.+) \|$", table, re.MULTILINE)


@pytest.mark.parametrize(("type_name", "values"), value_rows())
def test_the_glossary_has_exactly_the_values_that_the_code_has(type_name: str, values: str) -> None:
    path, _, name = type_name.partition(":")
    module = import_module("mlx_gui." + path.removesuffix(".py").replace("/", "."))
    assert tuple(CODE.findall(values)) == get_args(getattr(module, name))


def test_the_glossary_has_a_table_of_values() -> None:
    assert len(value_rows()) >= 10


def test_architecture_names_exactly_the_contracts_that_are_enforced() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    enforced = [contract["name"] for contract in project["tool"]["importlinter"]["contracts"]]
    _, _, table = (DOCS / "architecture.md").read_text().partition("\n| contract | means |\n")
    named = re.findall(r"^\| ([^|]+) \|", table.partition("\n\n")[0], re.MULTILINE)
    assert named == enforced
