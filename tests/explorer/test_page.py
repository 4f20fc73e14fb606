"""The explorer's page: what it loads, from where, and that its ready-made tabs fit the schema."""

import gzip
import json
import re
import shutil
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from graphql import build_schema, parse, validate
from starlette.applications import Starlette
from starlette.responses import Response

from parley.pages.explorer import explorer_page, explorer_routes

ROOT = Path(__file__).parents[2]
TABS = sorted((ROOT / "explorer" / "tabs").glob("*.graphql"))
VENDOR = [
    (f"{package['name']}@{package['version']}/{file}", integrity)
    for package in json.loads((ROOT / "explorer" / "assets.json").read_text())["packages"]
    for file, integrity in package["files"].items()
]


class Page(HTMLParser):
    """What a page loads, and its inline scripts and styles."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.loaded: dict[str, dict[str, str | None]] = {}
        self.inline: list[str] = []
        self.tabs = ""
        self.text = bytes(response.body).decode()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        # What a link leads to is loaded by another page.
        address = named.get("src") or (named.get("href") if tag != "a" else None)
        if address:
            self.loaded[address] = named
        elif tag == "style" or (tag == "script" and named.get("type") != "application/json"):
            self.inline.append(tag)
        self.inline += [name for name in named if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.startswith("["):
            self.tabs = data


@pytest.fixture
def explorer_dir(tmp_path: Path) -> Path:
    """The explorer as in a fresh clone: without GraphiQL's files."""
    return shutil.copytree(
        ROOT / "explorer", tmp_path / "explorer", ignore=shutil.ignore_patterns("assets")
    )


TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def fetch_assets(explorer_dir: Path) -> None:
    for path, _ in VENDOR:
        file = explorer_dir / "assets" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(path.encode()))


@pytest.fixture
async def client(explorer_dir: Path) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Starlette(routes=explorer_routes(explorer_dir)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://parley") as client:
        yield client


def test_loads_nothing_from_elsewhere_once_assets_are_fetched(explorer_dir: Path) -> None:
    fetch_assets(explorer_dir)

    response = explorer_page(explorer_dir)

    page = Page(response)
    assert [
        address for address in page.loaded if not address.startswith(("/explorer/", "data:"))
    ] == []
    assert {f"/explorer/assets/{path}" for path, _ in VENDOR} < page.loaded.keys()
    assert "https:" not in response.headers["content-security-policy"]


def test_loads_the_same_files_by_hash_from_the_public_address_before(explorer_dir: Path) -> None:
    response = explorer_page(explorer_dir)

    loaded = Page(response).loaded
    for path, integrity in VENDOR:
        named = loaded[f"https://unpkg.com/{path}"]
        assert (named["integrity"], named["crossorigin"]) == (integrity, "anonymous")
    policy = response.headers["content-security-policy"]
    allowed = {source for part in policy.split("; ") for source in part.split()[1:]}
    elsewhere = {source for source in allowed if source.startswith("http")}
    # Of a public address, on which anybody publishes, no more than these.
    assert elsewhere == {f"https://unpkg.com/{path}" for path, _ in VENDOR}
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert ".css" not in scripts
    assert scripts.startswith("script-src 'self' https://unpkg.com/react@")


def test_has_no_inline_script_and_its_policy_allows_none(explorer_dir: Path) -> None:
    response = explorer_page(explorer_dir)

    assert Page(response).inline == []
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_holds_the_tabs_whatever_is_written_in_them(explorer_dir: Path) -> None:
    (explorer_dir / "tabs" / "1-request-code.graphql").write_text("# </script><!-- tabs -->")

    tabs = json.loads(Page(explorer_page(explorer_dir)).tabs)

    assert len(tabs) == len(TABS)
    assert tabs[0]["query"] == "# </script><!-- tabs -->"
    assert json.loads(tabs[1]["variables"])["input"]["code"] == "{{code}}"


async def test_serves_what_the_page_loads(explorer_dir: Path, client: httpx2.AsyncClient) -> None:
    fetch_assets(explorer_dir)
    loaded = Page(explorer_page(explorer_dir)).loaded
    imports = re.findall(r'from "\./(\w+\.js)"', (explorer_dir / "explorer.js").read_text())

    paths = [path for path in loaded if path.startswith("/")]
    for path in [*paths, *(f"/explorer/{name}" for name in imports)]:
        response = await client.get(path)

        assert response.status_code == 200, path
        assert response.headers["content-type"].startswith(TYPES[Path(path).suffix])


async def test_serves_assets_packed_and_for_good(
    explorer_dir: Path, client: httpx2.AsyncClient
) -> None:
    fetch_assets(explorer_dir)
    path, _ = VENDOR[0]

    packed = await client.get(f"/explorer/assets/{path}", headers={"accept-encoding": "gzip"})
    plain = await client.get(f"/explorer/assets/{path}", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == path
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    ["assets.json", "build.mjs", "tabs/1-request-code.json", "..%2fpyproject.toml", "assets", ""],
)
async def test_serves_nothing_else(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(f"/explorer/{path}")).status_code == 404


async def test_says_not_found_before_assets_are_fetched(client: httpx2.AsyncClient) -> None:
    path, _ = VENDOR[0]

    assert (await client.get(f"/explorer/assets/{path}")).status_code == 404


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.stem)
def test_tab_fits_the_schema(tab: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())

    assert validate(schema, parse(tab.read_text())) == []


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.stem)
def test_tab_gives_every_variable_and_only_words_that_the_page_can_learn(tab: Path) -> None:
    declared = set(re.findall(r"\$(\w+):", tab.read_text()))
    variables = tab.with_suffix(".json").read_text()
    learned = (ROOT / "explorer" / "known.js").read_text()

    assert json.loads(variables).keys() == declared
    for word in re.findall(r"\{\{(\w+)\}\}", variables):
        assert word == "random" or f"  {word}: (data" in learned
