"""Storage that is away, slow or wrongly set up; calls given up; keys that a role has."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.media.urls import MediaUrls, StorageAddresses
from models.refusals import RefusalCode, Refused
from models.storage.bucket import Storage
from models.storage.calls import Calls
from parley.embedded import EmbeddedServers
from parley.supervision.part import CHECKOUT
from tests.faults.proxy import proxy
from tests.media.storage.storing import PNG, open_nanio, store
from tests.waiting import eventually

MIB = 1024 * 1024


async def test_a_storage_that_stopped_is_unavailable_and_works_again_after(
    s3: EmbeddedServers, storage: Storage, key: str, tmp_path: Path
) -> None:
    await store(storage, key, b"content", tmp_path)
    s3.kill("s3")
    try:
        async with asyncio.timeout(60):
            for asked in (
                storage.find(key),
                storage.parts.begin(key, content_type=PNG),
                storage.download(key, tmp_path / "copy", most_bytes=7),
                storage.delete([key]),
            ):
                with pytest.raises(Refused) as refused:
                    await asked
                assert refused.value.code is RefusalCode.UNAVAILABLE
            assert not await storage.ready()
        # What is signed needs no storage.
        assert storage.sign_put(key, content_type=PNG, byte_size=1, ttl_s=60).url
    finally:
        s3.start("s3")

    assert await storage.ready()
    assert await storage.find(key) is not None


async def test_a_silent_storage_is_unavailable_at_the_deadline(
    s3: EmbeddedServers, key: str
) -> None:
    port = int(s3.s3_endpoint_url.rsplit(":", 1)[1])
    async with proxy(port) as between:
        url = f"http://127.0.0.1:{between.port}"
        async with open_nanio(s3, endpoint_url=url, deadline_s=0.3) as slow:
            await eventually(slow.ready)
            for link in between.links:
                link.silent = True

            # What ends it otherwise is that nothing was read for 10 s.
            async with asyncio.timeout(9):
                with pytest.raises(Refused) as refused:
                    await slow.find(key)

            assert refused.value.code is RefusalCode.UNAVAILABLE


async def test_a_download_given_up_ends_and_leaves_no_file(
    storage: Storage, key: str, tmp_path: Path
) -> None:
    await store(storage, key, bytes(4 * MIB), tmp_path)
    # What nobody reads from a pipe holds its writer up.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reading:
        download = asyncio.create_task(storage.download(key, pipe, most_bytes=4 * MIB))
        await eventually(lambda: reading.read(1))

        download.cancel()

        with pytest.raises(asyncio.CancelledError):
            await download
        taken: list[bytes] = []

        def gone() -> bool:
            taken.append(reading.read(MIB) or b"")
            return not pipe.exists()

        await eventually(gone)
    assert sum(map(len, taken)) < MIB


@pytest.fixture
def calls() -> Iterator[Calls]:
    """One thread, and one more call may wait."""
    made = Calls(threads=1, most=2)
    yield made
    made.close()


async def test_more_calls_than_may_wait_are_refused_at_once(calls: Calls) -> None:
    over = threading.Event()
    running = [asyncio.create_task(calls.run(over.wait, deadline_s=60)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Refused) as refused:
        await calls.run(over.wait, deadline_s=60)

    assert refused.value.code is RefusalCode.UNAVAILABLE
    over.set()
    assert await asyncio.gather(*running) == [True, True]
    assert await calls.run(over.wait, deadline_s=60)


async def test_a_call_given_up_before_it_began_is_not_made(calls: Calls) -> None:
    over, made = threading.Event(), threading.Event()
    running = asyncio.create_task(calls.run(over.wait, deadline_s=60))
    waiting = asyncio.create_task(calls.run(made.set, deadline_s=60))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    over.set()

    await running
    await calls.run(lambda: None, deadline_s=60)
    assert not made.is_set()


def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    hanging = "import threading; from models.storage.calls import Calls;"
    hanging += "Calls(threads=1).submit(threading.Event().wait)"

    ended = subprocess.run([sys.executable, "-c", hanging], cwd=CHECKOUT, timeout=60, check=False)

    assert ended.returncode == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_access_key": "wrong"},
        {"access_key_id": "unknown"},
        {"bucket": "another"},
    ],
    ids=["secret", "id", "bucket"],
)
async def test_what_the_operator_set_wrong_is_unavailable_and_told_once(
    s3: EmbeddedServers,
    key: str,
    wrong: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_nanio(s3, **wrong) as shut_out:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                await shut_out.find(key)
            assert refused.value.code is RefusalCode.UNAVAILABLE

    told = [record for record in caplog.records if record.name == "parley.storage"]
    assert [record.levelname for record in told] == ["ERROR"]
    assert "S3_BUCKET" in told[0].getMessage()
    assert key not in caplog.text


# -------------------------------------------------------------------- keys that a role has

GiveRole = Callable[[timedelta], None]


@pytest.fixture
def give_role(s3: EmbeddedServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GiveRole:
    """A machine whose credential chain finds the endpoint's keys, which end after a time."""

    def give(lasting: timedelta) -> None:
        answer = {
            "Version": 1,
            "AccessKeyId": s3.s3_access_key_id,
            "SecretAccessKey": s3.s3_secret_access_key,
            "SessionToken": "token of a role",
            "Expiration": (datetime.now(UTC) + lasting).isoformat(),
        }
        (tmp_path / "answer").write_text(json.dumps(answer))
        show = f"{sys.executable} -I -S -c \"print(open('{tmp_path}/answer').read())\""
        (tmp_path / "config").write_text(f"[profile role]\ncredential_process = {show}\n")

    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "role")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    return give


async def test_a_role_signs_with_its_token_once_its_keys_are_found(
    s3: EmbeddedServers, give_role: GiveRole, key: str
) -> None:
    give_role(timedelta(hours=1))
    async with open_nanio(s3, access_key_id=None, secret_access_key=None) as storage:
        with pytest.raises(Refused) as refused:
            storage.sign_put(key, content_type=PNG, byte_size=1, ttl_s=60)
        assert refused.value.code is RefusalCode.UNAVAILABLE

        await eventually(storage.ready)

        signed = storage.sign_put(key, content_type=PNG, byte_size=1, ttl_s=60)
        assert "X-Amz-Security-Token=token%20of%20a%20role" in signed.url
        assert await storage.find(key) is None


async def test_a_url_ends_with_the_key_that_signed_it(
    s3: EmbeddedServers, give_role: GiveRole, key: str
) -> None:
    give_role(timedelta(minutes=20))
    async with open_nanio(s3, access_key_id=None, secret_access_key=None) as storage:
        await eventually(storage.ready)
        urls = MediaUrls(StorageAddresses(storage.signer), ttl_s=3600)

        _, ends = urls.sign(key, content_type=PNG)

        assert ends <= datetime.now(UTC) + timedelta(minutes=20)


async def test_a_machine_without_keys_is_told_what_to_set(
    s3: EmbeddedServers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    async with open_nanio(s3, access_key_id=None, secret_access_key=None) as storage:
        assert not await storage.ready()

    assert "set AWS_ACCESS_KEY_ID" in caplog.text
