"""The built site, as files: nothing is missing, and nothing leads nowhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

import facade
import together_emulator
from docs_tools.blocks import DOCS, ROOT
from tests.docs.conftest import Build

ANCHORS = DOCS / "reference" / "anchors.txt"
# Whom a page may lead to: those whose service, software or rules it is about.
OUTSIDE = re.compile(
    r"https://(?:(?:docs|www|api)\.together\.ai|github\.com|semver\.org|[\w-]+\.readthedocs\.io)(?:/|$)"
)


class _Page(HTMLParser):
    """The anchors, links and other addresses of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif tag in ("link", "script", "img", "audio", "source", "iframe"):
            self.loads |= {values[name] for name in ("href", "src") if values.get(name)}


@pytest.fixture(scope="module")
def pages(build: Build) -> dict[str, _Page]:
    return {
        path.relative_to(build.site).as_posix(): _Page(path)
        for path in sorted(build.site.rglob("*.html"))
    }


def test_it_is_built_without_a_warning(build: Build) -> None:
    assert build.status == 0, build.said
    assert re.search(r"^\d+ blocks \(", build.said, re.MULTILINE)


def test_every_link_leads_to_a_page_and_a_place_on_it(
    build: Build, pages: dict[str, _Page]
) -> None:
    dead = []
    for name, page in pages.items():
        for link in page.links | page.loads:
            if re.match(r"[a-z]+:", link):
                continue
            url = urlsplit(urljoin(f"/{name}", link))
            target = unquote(url.path).removeprefix("/") or "index.html"
            is_there = (build.site / target).is_file()
            if target in pages and url.fragment:
                is_there = unquote(url.fragment) in pages[target].anchors
            if not is_there:
                dead.append((name, link))
    assert dead == []


def test_nothing_is_loaded_from_elsewhere_and_links_lead_there_only_with_need(
    pages: dict[str, _Page],
) -> None:
    for name, page in pages.items():
        assert not [link for link in page.loads if re.match(r"(?:[a-z]+:)?//", link)], name
        outside = [link for link in page.links if re.match(r"[a-z]+:", link)]
        assert [link for link in outside if not OUTSIDE.match(link)] == [], name


@pytest.mark.parametrize("package", [facade, together_emulator], ids=lambda one: one.__name__)
def test_every_public_name_is_in_the_reference(build: Build, package: object) -> None:
    known = names(build)
    assert {f"{package.__name__}.{name}" for name in package.__all__} <= known  # type: ignore[attr-defined]


def test_an_anchor_of_the_reference_stays(build: Build, pages: dict[str, _Page]) -> None:
    """A name that changes keeps its old anchor, by a target of MyST: `(facade.OldName)=`."""
    listed = ANCHORS.read_text(encoding="utf-8").split()
    anchors = {anchor for page in pages.values() for anchor in page.anchors}
    assert [anchor for anchor in listed if anchor not in anchors] == []
    new = sorted(names(build) - set(listed))
    assert new == [], f"add to {ANCHORS.relative_to(ROOT)}: {' '.join(new)}"


def names(build: Build) -> set[str]:
    """The public names that other projects can link to."""
    with (build.site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", urljoin)
    found = {name for kind, names in inventory.items() if kind[:3] == "py:" for name in names}
    public = {
        f"{package.__name__}.{name}"
        for package in (facade, together_emulator)
        for name in package.__all__
    }
    return {name for name in found if ".".join(name.split(".")[:2]) in public}


def test_every_page_has_a_twin_in_markdown_that_machines_find(build: Build) -> None:
    sources = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    sources = {name for name in sources if not name.startswith("_build/")}
    listed = (build.site / "llms.txt").read_text(encoding="utf-8")
    assert listed.startswith("# together-speech\n\n> ")
    assert set(re.findall(r"^- \[.+\]\((.+)\)$", listed, re.MULTILINE)) == sources
    for name in sources:
        text = (build.site / name).read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert "```{" not in text
        prose = re.sub(r"^(```+)\w.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(((?!https?:)[^)#]+)", prose):
            assert (build.site / name).parent.joinpath(unquote(link)).is_file(), (name, link)
