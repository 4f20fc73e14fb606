"""The load generator: one work against one server, as a process of its own; answers in one line of
JSON.

`python -m bench.generator.load w1 --profile bench/profiles/parley.json --world world.json --port
8000`
"""

import argparse
import json
import sys
from pathlib import Path

import uvloop

from bench.generator.loops import Asked
from bench.generator.target import Failed, Target
from bench.generator.works import WORKS


def main(arguments: list[str]) -> int:
    asked = _parse(arguments)
    roots = {name: int(pid) for name, _, pid in (root.partition("=") for root in asked.root)}
    target = Target.read(
        asked.profile,
        asked.world,
        asked.port,
        over=asked.over,
        deflate=asked.deflate,
        roots=roots,
    )
    how = Asked(
        secs=asked.secs,
        warm_s=asked.warm,
        conc=asked.conc or (16 if asked.work == "w5" else 64),
        rate=asked.rate,
        idle=asked.idle,
        members=asked.members,
    )
    try:
        result = uvloop.run(_run(asked.work, target, how))
    except (Failed, TimeoutError, OSError, ExceptionGroup) as failed:
        sys.stderr.write(f"{asked.work}: {failed!r}\n")
        return 1
    sys.stdout.write(json.dumps({"work": asked.work, **result}) + "\n")
    return 0


async def _run(work: str, target: Target, asked: Asked) -> dict[str, object]:
    try:
        return await WORKS[work](target, asked)
    finally:
        target.close()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.generator.load",
        description="One work against one server on 127.0.0.1.",
    )
    parser.add_argument("work", choices=list(WORKS))
    parser.add_argument("--profile", type=Path, required=True, help="how the server is spoken to")
    parser.add_argument("--world", type=Path, required=True, help="ids and tokens, by the seed")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--root",
        metavar="NAME=PID",
        action="append",
        default=[],
        help="count the CPU of this process tree; the measured one is `server`",
    )
    parser.add_argument("--secs", type=float, default=4)
    parser.add_argument("--warm", type=float, default=1, help="seconds before")
    parser.add_argument("--conc", type=int, default=0, help="64; of w5 16")
    parser.add_argument("--rate", type=float, default=200, help="sends a second of w2, w3rate")
    parser.add_argument("--idle", type=int, default=2000, help="sockets of w4")
    parser.add_argument("--members", type=int, default=100, help="of w3")
    parser.add_argument("--over", choices=["http", "ws"], default="http", help="how sends go")
    parser.add_argument("--deflate", action="store_true", help="offer it, as browsers do")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
