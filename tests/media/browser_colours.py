"""`python -m tests.media.browser_colours [chromium --switch …]`: what a browser shows of films of
each colour space, against what the standards say of their sources. Needs Chromium, and is no test.

The page draws a late frame of each film, its poster, and, where colours stay as they are, the same
frame of its source, on a canvas of sRGB, and reads the middles of the quarters. A film is as it
should be when it is what its source's matrix says, or what the browser shows of that source, which
may turn primaries that differ by little, or not.
"""

import asyncio
import base64
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from models.media.media import MediaKind
from models.media.renditions import RenditionName
from tests.media.film_colours import CONVERTED, KEPT, PLACES, SILENT, Source, Triple, film, shown
from tests.media.studio import Studio, get

WITHIN_S = 120
MOST_APART = 6
PAGE = """<!doctype html><script>
const films = %s, places = %s;
const read = (drawn, width, height) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", {colorSpace: "srgb"});
  context.drawImage(drawn, 0, 0);
  return places.map(([x, y]) =>
    [...context.getImageData(x * width, y * height, 1, 1).data].slice(0, 3));
};
const ready = (element, event) => new Promise((done, failed) => {
  element.addEventListener(event, done, {once: true});
  element.addEventListener("error", () => failed(element.error), {once: true});
});
const play = async full => {
  const film = document.createElement("video");
  const loaded = ready(film, "loadeddata");
  film.src = full;
  await loaded;
  const sought = ready(film, "seeked");
  film.currentTime = 0.4;
  await sought;
  // A frame that is not there yet is black.
  for (let tries = 0; ; tries++) {
    const found = read(film, film.videoWidth, film.videoHeight);
    if (tries > 50 || found.flat().some(each => each > 20)) return found;
    await new Promise(done => setTimeout(done, 100));
  }
};
const see = async ([full, source, poster]) => {
  const image = new Image();
  image.src = poster;
  await image.decode();
  const pictured = read(image, image.width, image.height);
  return [await play(full), source ? await play(source) : null, pictured];
};
(async () => {
  const said = [];
  for (const each of films) said.push(await see(each));
  return said;
})().catch(error => String(error)).then(said =>
  fetch("/", {method: "POST", body: JSON.stringify(said)}));
</script>"""
Seen = list[tuple[list[Triple], list[Triple] | None, list[Triple]]]


async def main(browser: Sequence[str]) -> int:
    sources = [each for each in (*KEPT, *SILENT, *CONVERTED) if not each.vivid]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = await _make(sources, folder)
        seen = _look(browser, films, folder)
    worst = 0.0
    for source, (frame, before, poster) in zip(sources, seen, strict=True):
        of_film, of_poster = (_apart(found, shown(source)) for found in (frame, poster))
        of_source = None if before is None else _apart(frame, before)
        worst = max(worst, of_poster, of_film if of_source is None else min(of_film, of_source))
        as_before = "" if of_source is None else f"   from its source {of_source:4.1f}"
        sys.stdout.write(
            f"{source.name:16} film {of_film:4.1f}   poster {of_poster:4.1f}{as_before}\n"
        )
    sys.stdout.write(f"the most by which red, green or blue differs: {worst:.1f} of 255\n")
    return int(worst > MOST_APART)


async def _make(sources: Sequence[Source], folder: Path) -> list[list[str]]:
    studio = Studio(folder)
    made = []
    for source in sources:
        path = film(folder / "film", source)
        rendered = await studio.make(MediaKind.VIDEO, path)
        full, poster = (
            _address(each.content_type, Path(each.key))
            for each in (get(rendered, RenditionName.FULL), get(rendered, RenditionName.PREVIEW))
        )
        plays = source in KEPT and source.bits == 8
        made.append([full, _address("video/mp4", path) if plays else "", poster])
    await studio.close()
    return made


def _address(content_type: str, path: Path) -> str:
    return f"data:{content_type};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _look(browser: Sequence[str], films: list[list[str]], folder: Path) -> Seen:
    page = PAGE % (msgspec.json.encode(films).decode(), [list(each) for each in PLACES])
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    class Answers(BaseHTTPRequestHandler):
        """Hands out the page, and takes what it has seen."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self) -> None:
            said.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            *(*browser, "--headless", "--no-sandbox", "--no-first-run"),
            *("--force-color-profile=srgb", f"--user-data-dir={folder}/profile"),
            f"http://127.0.0.1:{server.server_address[1]}/",
        ]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return msgspec.json.decode(said.get(timeout=WITHIN_S), type=Seen)
        finally:
            running.terminate()
            running.wait(60)
            server.shutdown()


def _apart(found: list[Triple], expected: list[Triple]) -> float:
    return max(
        abs(a - b)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:] or ["chromium"])))
