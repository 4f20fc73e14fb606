"""The explorer's page: what it loads, from where, and that its ready-made tabs fit the schema."""

import gzip
import json
import re
import shutil
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
from graphql import GraphQLSchema, build_schema, parse, validate
from starlette.applications import Starlette
from starlette.responses import Response

from parley.pages.explorer import explorer_page, explorer_routes
from tests.explorer.window import GIVEN, RULES

ROOT = Path(__file__).parents[2]
TABS = sorted((ROOT / "explorer" / "tabs").glob("*.graphql"))
SCRIPTS = [script.read_text() for script in (ROOT / "explorer").glob("*.js")]
STORAGE = "http://127.0.0.1:9000/parley"
# As explorer/build.mjs describes what it made.
BUILT: dict[str, Any] = {
    "module": "graphiql-A1.js",
    "styles": ["chunk-B2.css", "graphiql-C3.css"],
    "workers": {"editor": "editor-D4.js", "graphql": "graphql-E5.js", "json": "json-F6.js"},
    "files": [
        *("graphiql-A1.js", "chunk-B2.css", "graphiql-C3.css", "chunk-07.js", "codicon-18.ttf"),
        *("editor-D4.js", "graphql-E5.js", "json-F6.js"),
    ],
}


class Page(HTMLParser):
    """What a page loads, the data in it, and its inline scripts and styles."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.loaded: dict[str, dict[str, str | None]] = {}
        self.inline: list[str] = []
        self.data: dict[str, Any] = {}
        self.data_of = ""
        self.text = bytes(response.body).decode()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if named.get("type") == "application/json":
            self.data_of = named["id"] or ""
        # What a link leads to is loaded by another page.
        address = named.get("src") or (named.get("href") if tag != "a" else None)
        if address:
            self.loaded[address] = named
        elif tag == "style" or (tag == "script" and named.get("type") != "application/json"):
            self.inline.append(tag)
        self.inline += [name for name in named if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self.data_of = ""

    def handle_data(self, data: str) -> None:
        if self.data_of:
            self.data[self.data_of] = json.loads(data)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


@pytest.fixture
def explorer_dir(tmp_path: Path) -> Path:
    """The explorer as in a fresh clone: without GraphiQL's files."""
    return shutil.copytree(
        ROOT / "explorer", tmp_path / "explorer", ignore=shutil.ignore_patterns("assets")
    )


TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}


def make_assets(explorer_dir: Path) -> None:
    """Do as explorer/build.mjs does."""
    assets = explorer_dir / "assets"
    assets.mkdir()
    for name in BUILT["files"]:
        (assets / name).write_text(name)
        (assets / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
    (assets / "built.json").write_text(json.dumps(BUILT))


@pytest.fixture
async def client(explorer_dir: Path) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Starlette(routes=explorer_routes(explorer_dir)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://parley") as client:
        yield client


def test_loads_all_of_graphiql_from_this_server(explorer_dir: Path) -> None:
    make_assets(explorer_dir)

    page = Page(explorer_page(explorer_dir, STORAGE))

    assert [address for address in page.loaded if not address.startswith("/explorer/")] == []
    assert {
        f"/explorer/assets/{name}" for name in [BUILT["module"], *BUILT["styles"]]
    } < page.loaded.keys()
    assert page.data["vendor"] == {
        "module": "/explorer/assets/graphiql-A1.js",
        "workers": {label: f"/explorer/assets/{name}" for label, name in BUILT["workers"].items()},
    }


def test_names_none_of_graphiqls_files_before_they_are_made(explorer_dir: Path) -> None:
    page = Page(explorer_page(explorer_dir, STORAGE))

    assert [address for address in page.loaded if "assets" in address] == []
    # The script then says how to make them.
    assert "vendor" not in page.data


def test_loads_the_packages_that_its_lock_pins_by_hash_from_no_address_of_its_own() -> None:
    lock = json.loads((ROOT / "explorer" / "vendor" / "package-lock.json").read_text())
    wanted = json.loads((ROOT / "explorer" / "vendor" / "package.json").read_text())

    packages = {name: package for name, package in lock["packages"].items() if name}
    assert {
        name: packages[f"node_modules/{name}"]["version"] for name in wanted["dependencies"]
    } == wanted["dependencies"]
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_has_no_inline_script_and_its_policy_allows_none(explorer_dir: Path) -> None:
    response = explorer_page(explorer_dir, STORAGE)

    assert Page(response).inline == []
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    # The editor writes style attributes. Nothing else is inline, and nothing is from elsewhere.
    assert "style-src 'self' 'unsafe-inline'; " in policy
    assert policy.count("unsafe") == 1
    # It sends the bytes of uploads there, and nothing is loaded.
    assert "connect-src 'self' http://127.0.0.1:9000; " in policy
    assert policy.count("http") == 1


def test_holds_the_tabs_whatever_is_written_in_them(explorer_dir: Path) -> None:
    (explorer_dir / "tabs" / "01-request-code.graphql").write_text("# </script><!-- tabs -->")

    tabs = Page(explorer_page(explorer_dir, STORAGE)).data["tabs"]

    assert len(tabs) == len(TABS)
    assert tabs[0]["query"] == "# </script><!-- tabs -->"
    assert json.loads(tabs[1]["variables"])["input"]["code"] == "{{code}}"


async def test_serves_what_the_page_loads(explorer_dir: Path, client: httpx2.AsyncClient) -> None:
    make_assets(explorer_dir)
    loaded = Page(explorer_page(explorer_dir, STORAGE)).loaded
    imports = {name for each in SCRIPTS for name in re.findall(r'from "\./(\w+\.js)"', each)}

    made = [f"assets/{name}" for name in BUILT["files"]]
    for path in [*loaded, *(f"/explorer/{name}" for name in [*imports, *made])]:
        response = await client.get(path)

        assert response.status_code == 200, path
        assert response.headers["content-type"].startswith(TYPES[Path(path).suffix])


async def test_serves_assets_packed_and_for_good(
    explorer_dir: Path, client: httpx2.AsyncClient
) -> None:
    make_assets(explorer_dir)
    path = BUILT["module"]

    packed = await client.get(f"/explorer/assets/{path}", headers={"accept-encoding": "gzip"})
    plain = await client.get(f"/explorer/assets/{path}", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == path
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        *("build.mjs", "vendor/package.json", "tabs/01-request-code.json", "..%2fpyproject.toml"),
        *("assets/built.json", "assets/graphiql-A1.js.gz", "assets/../index.html", "assets", ""),
    ],
)
async def test_serves_nothing_else(
    explorer_dir: Path, client: httpx2.AsyncClient, path: str
) -> None:
    make_assets(explorer_dir)

    assert (await client.get(f"/explorer/{path}")).status_code == 404


async def test_says_not_found_before_assets_are_made(client: httpx2.AsyncClient) -> None:
    assert (await client.get(f"/explorer/assets/{BUILT['module']}")).status_code == 404


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.stem)
def test_tab_fits_the_schema(tab: Path, schema: GraphQLSchema) -> None:
    assert validate(schema, parse(tab.read_text())) == []


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.stem)
def test_tab_gives_every_variable_and_only_words_that_the_page_can_learn(tab: Path) -> None:
    declared = set(re.findall(r"\$(\w+):", tab.read_text()))
    variables = tab.with_suffix(".json").read_text()

    assert json.loads(variables).keys() == declared
    assert set(re.findall(r"\{\{(\w+)\}\}", variables)) <= {"random", *GIVEN, *RULES}


def test_page_holds_the_rules_of_words(explorer_dir: Path) -> None:
    assert Page(explorer_page(explorer_dir, STORAGE)).data["known"] == RULES


def test_words_that_the_page_gives_by_itself_are_those_of_the_chosen_file() -> None:
    script = (ROOT / "explorer" / "upload.js").read_text()
    given = re.search(r"give\(\{(.*?)\}\)", script, re.DOTALL)

    assert given
    assert set(re.findall(r"^ +(\w+):", given[1], re.MULTILINE)) == GIVEN.keys()
