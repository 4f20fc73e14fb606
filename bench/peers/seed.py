"""The naive peer's tables and people, as many as Parley's; and its tokens.

`python -m bench.peers.seed --world FILE`, with DATABASE_URL, whose schema `chat` is made anew.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import sys
from pathlib import Path

import asyncpg

SECRET = b"of no use anywhere else"
TABLES = """
DROP SCHEMA IF EXISTS chat CASCADE;
CREATE SCHEMA chat;
CREATE TABLE chat.users (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE chat.channel (id bigint PRIMARY KEY, last_seq bigint NOT NULL DEFAULT 0)
WITH (fillfactor = 60);
CREATE TABLE chat.member (
    channel_id bigint NOT NULL, user_id bigint NOT NULL,
    delivered_seq bigint NOT NULL DEFAULT 0, read_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, user_id)
);
CREATE TABLE chat.message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, channel_id bigint NOT NULL,
    seq bigint NOT NULL, sender_id bigint NOT NULL, text text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(), UNIQUE (channel_id, seq)
);
"""
# Channels 1 to 64 are chats, each of two people; the rest lies above.
PAIRS = 64
GROUP, FIRST_MEMBER, GROUP_MEMBERS = 1000, 201, 100
HISTORY, ONE, OTHER = 2000, 151, 152
FIRST_IDLE_CHANNEL, FIRST_IDLE = 10_001, 1001


def token_of(user_id: int) -> str:
    mac = hmac.new(SECRET, str(user_id).encode(), hashlib.sha256).hexdigest()
    return f"{user_id}.{mac}"


def user_of(authorization: str | None) -> int | None:
    if not authorization:
        return None
    token = authorization.removeprefix("Bearer ")
    user_id = token.partition(".")[0]
    known = user_id.isdigit() and hmac.compare_digest(token, token_of(int(user_id)))
    return int(user_id) if known else None


async def seed(database_url: str, *, history: int, idle: int) -> dict[str, object]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(TABLES)
    await connection.execute(_rows(history, idle))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return {
        "pairs": [
            {"conv": str(k), "a": token_of(k), "b": token_of(k + PAIRS)}
            for k in range(1, PAIRS + 1)
        ],
        "group": {
            "conv": str(GROUP),
            "sender": token_of(FIRST_MEMBER),
            "members": [token_of(FIRST_MEMBER + k) for k in range(GROUP_MEMBERS)],
        },
        "history": {"conv": str(HISTORY), "token": token_of(ONE)},
        "idle": [
            {"conv": str(FIRST_IDLE_CHANNEL + k), "token": token_of(FIRST_IDLE + k)}
            for k in range(idle)
        ],
    }


def _rows(history: int, idle: int) -> str:
    return f"""
    INSERT INTO chat.users
        SELECT g, 'User ' || g FROM generate_series(1, {FIRST_IDLE + idle}) g;
    INSERT INTO chat.channel SELECT g FROM generate_series(1, {PAIRS}) g;
    INSERT INTO chat.member
        SELECT g, g + p FROM generate_series(1, {PAIRS}) g, unnest(ARRAY[0, {PAIRS}]) p;

    INSERT INTO chat.channel VALUES ({GROUP}, 0), ({HISTORY}, {history});
    INSERT INTO chat.member
        SELECT {GROUP}, {FIRST_MEMBER} + g FROM generate_series(0, {GROUP_MEMBERS - 1}) g;
    INSERT INTO chat.member VALUES
        ({HISTORY}, {ONE}, {history}, {history - 10}),
        ({HISTORY}, {OTHER}, {history - 5}, {history - 10});
    INSERT INTO chat.message (channel_id, seq, sender_id, text, sent_at)
        SELECT {HISTORY}, g, {ONE} + g % 2, rpad('message ' || g, 100, '.'),
            now() - ({history} - g) * interval '1 minute'
        FROM generate_series(1, {history}) g;

    INSERT INTO chat.channel SELECT {FIRST_IDLE_CHANNEL} + g FROM generate_series(0, {idle - 1}) g;
    INSERT INTO chat.member
        SELECT {FIRST_IDLE_CHANNEL} + g, {FIRST_IDLE} + g FROM generate_series(0, {idle - 1}) g;
    """


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.seed")
    parser.add_argument("--world", metavar="FILE", type=Path, required=True)
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--idle", type=int, default=5000)
    asked = parser.parse_args(arguments)
    world = asyncio.run(seed(os.environ["DATABASE_URL"], history=asked.history, idle=asked.idle))
    asked.world.write_text(json.dumps(world))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
