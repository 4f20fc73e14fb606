"""A window of the explorer without a browser: the documents, variables and {{words}} are those of
the files that the page is made of, and are filled in as `explorer/known.js` does.
"""

import json
import re
import uuid
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.client import ApiClient, Json, SocketStream
from tests.serving import Server

EXPLORER = Path(__file__).parents[2] / "explorer"
RULES: dict[str, Json] = json.loads((EXPLORER / "known.json").read_text())
SAMPLE = (EXPLORER / "sample.png").read_bytes()
# As explorer/upload.js gives them.
GIVEN = {
    "fileName": "sample.png",
    "fileType": "image/png",
    "fileSize": len(SAMPLE),
    "fileKind": "IMAGE",
}
# As explorer/tabs.js has it.
SECOND = {"+14155550101": "+14155550102", "+14155550102": "+14155550101", '"Alice"': '"Bob"'}
_WORD = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Tab:
    """One numbered tab: its document, and its variables as text."""

    step: int
    query: str
    variables: str

    @property
    def is_subscription(self) -> bool:
        return re.search(r"^subscription ", self.query, re.MULTILINE) is not None


def read_tabs() -> dict[int, Tab]:
    """Return all tabs by their numbers."""
    tabs = {}
    for file in sorted((EXPLORER / "tabs").glob("*.graphql")):
        step = int(file.stem.partition("-")[0])
        tabs[step] = Tab(step, file.read_text(), file.with_suffix(".json").read_text())
    return tabs


class Window:
    """One person's window: the token, and what earlier answers have told."""

    def __init__(self, server: Server, *, second: bool = False) -> None:
        self.client = ApiClient(server)
        self.known: Json = {}
        # Which tabs have told which word.
        self.told_by: dict[str, set[int]] = {word: set() for word in RULES}
        self.second = second

    async def run(self, tab: Tab) -> Any:
        """Return what the only root field gave, which is neither an error nor a Refusal."""
        variables = self._variables(tab)
        answer = (await self.client.post(tab.query, **variables)).json()
        assert "errors" not in answer, (tab.step, answer)
        ((name, value),) = answer["data"].items()
        assert value is not None, tab.step
        assert "reason" not in value, (tab.step, value)
        self.learn(tab.step, {**answer["data"], "variables": variables})
        if name == "signIn":
            self.client.token = value["accessToken"]
        return value

    def follow(self, tab: Tab) -> AbstractAsyncContextManager[SocketStream]:
        return self.client.follow(tab.query, **self._variables(tab))

    async def send_bytes(self) -> None:
        """Do as the button "Send the bytes" does."""
        (part,) = self.known["parts"]
        headers = {each["name"]: each["value"] for each in part["headers"]}
        http = self.client.server.http
        answer = await http.request(part["method"], part["url"], content=SAMPLE, headers=headers)
        assert answer.status_code == 200, answer.text

    def _variables(self, tab: Tab) -> Json:
        text = tab.variables
        if self.second:
            text = re.sub(r'\+1415555010[12]|"Alice"', lambda found: SECOND[found[0]], text)
        filled: Json = self._fill(json.loads(text))
        return filled

    def _fill(self, node: Any) -> Any:
        if isinstance(node, str):
            whole = _WORD.fullmatch(node)
            return self._need(whole[1]) if whole else node
        if isinstance(node, list):
            return [self._fill(each) for each in node]
        if isinstance(node, dict):
            return {name: self._fill(each) for name, each in node.items()}
        return node

    def _need(self, word: str) -> Any:
        if word == "random":
            return uuid.uuid4().hex
        known: Json = {**GIVEN, **self.known}
        return known[word] if word in known else known[RULES[word]["or"]]

    def learn(self, step: int, answer: Json) -> None:
        """Keep the words that an answer or an event of this tab tells."""
        for word, rule in RULES.items():
            found = [_find(path, answer) for path in rule["from"]]
            value = next((each for each in found if each is not None), None)
            if value is None:
                continue
            if self.known.get(word) != value:
                self._forget(word)
            self.known[word] = value
            self.told_by[word].add(step)

    def _forget(self, word: str) -> None:
        for part, rule in RULES.items():
            if rule.get("of") == word:
                self.known.pop(part, None)
                self._forget(part)


def _find(path: str, node: Any) -> Any:
    for step in path.split("."):
        if isinstance(node, list):
            place = int(step)
            node = node[place] if -len(node) <= place < len(node) else None
        elif isinstance(node, dict):
            node = node.get(step)
        else:
            return None
    return node
