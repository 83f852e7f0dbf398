"""`sizewise load` as a user runs it: a real process, a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

import pytest

from sizewise.errors import ConfigError
from sizewise.ladder import family
from sizewise.loadgen.endpoint import base_url
from sizewise.loadgen.mock import Behaviour, json_reply, mock_server

QUICK = Behaviour(tokens=4, ttft_s=0.002, gap_s=0.001)


async def run(*arguments: str, interrupt_after: bytes = b"") -> tuple[int, str, str]:
    """Run the command; with `interrupt_after`, press Ctrl-C once its talk contains these bytes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from sizewise.cli import main; main()", "load", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    talk = b""
    if interrupt_after:
        while interrupt_after not in talk:
            piece = await process.stderr.read(4096)
            assert piece, talk.decode()
            talk += piece
        process.send_signal(signal.SIGINT)
    out, rest = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), (talk + rest).decode()


async def test_a_test_prints_its_audit_its_arrivals_and_its_figures() -> None:
    async with mock_server(QUICK) as mock:
        code, out, err = await run(mock.url, "--rate", "30", "--duration", "2s", "--slo-total", "2s")
    assert code in (0, 3)  # 3 where this machine is too busy for the client to judge
    assert "client error at" in out
    assert "starts at" in out
    assert ("first token" in out and "goodput" in out) or "the client itself lagged" in out
    assert "Next: sizewise load" in err


async def test_json_is_data_on_stdout() -> None:
    async with mock_server(QUICK) as mock:
        _, out, _ = await run(mock.url, "--rate", "20", "--duration", "1s", "--no-audit", "--json")
    (one,) = json.loads(out)
    assert one["result"]["summary"]["counted"] > 5
    assert one["result"]["plan"]["rate_per_s"] == 20.0


async def test_ctrl_c_prints_what_was_measured() -> None:
    async with mock_server(QUICK) as mock:
        code, out, err = await run(
            mock.url, "--rate", "20", "--duration", "10min", "--no-audit", interrupt_after=b"sent"
        )
    assert code == 130
    assert "stopped by the user" in out
    assert "Stopped by Ctrl-C" in err


async def test_users_and_a_knee_give_capacity() -> None:
    async with mock_server(Behaviour(tokens=2, ttft_s=0.05, gap_s=0.0, slots=2)) as mock:
        code, out, _ = await run(
            mock.url, "--knee", "--users", "10", "--slo-total", "400ms", "--duration", "1s", "--no-audit"
        )
    assert code in (0, 3, 4)
    assert "users hold" in out or "none: not even the lowest load" in out or "No knee" in out


async def test_a_shipped_model_is_served_judged_and_priced() -> None:
    code, out, _ = await run(
        "ladder-36k", "--task", "copy", "--samples", "20", "--rate", "5", "--duration", "2s", "--slo-total", "20s",
        "--threads", "1", "--no-audit", "--timeout", "30s", "--json",
    )  # fmt: skip
    assert code in (0, 3)
    (one,) = json.loads(out)
    assert one["result"]["model"] == family.model("ladder-36k").file.removesuffix(".gguf")
    assert one["result"]["energy"]["joules"]["low"] > 0
    if code == 0:
        assert one["quality"]["value"] > 0.5
        assert one["per_accepted"]["joules"]["low"] < one["per_accepted"]["joules"]["high"]


async def test_repeats_give_intervals_over_runs_and_an_api_is_compared() -> None:
    async with mock_server(QUICK) as mock:
        code, out, _ = await run(
            mock.url, "--rate", "20", "--duration", "500ms", "--repeats", "6", "--slo-total", "5s", "--no-audit",
            "--usd-per-hour", "1", "--api-price", "0.1/0.4", "--per-day", "50000",
        )  # fmt: skip
    assert code in (0, 3)
    if code == 0:
        assert "runs; intervals are over runs" in out
        assert "at 50,000 requests a day: 1 own server at $24 a day" in out
        assert "the API is cheaper" in out


async def test_a_server_of_our_own_has_a_capacity_in_users() -> None:
    code, out, _ = await run(
        "ladder-14k", "--users", "50", "--knee", "--slo-total", "20s", "--duration", "1s", "--input-tokens", "20",
        "--output-tokens", "4", "--threads", "1", "--no-audit", "--json",
    )  # fmt: skip
    assert code in (0, 3, 4)
    (one,) = json.loads(out)
    assert one["knee"]["closed"]
    if code == 0:
        knee = one["knee"]["knee"]["value"]
        assert one["servers"] == -(-50 // knee)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["http://127.0.0.1:9"], 1, "nothing answers at"),
        (["no-such-model"], 1, "neither a URL"),
        (["http://127.0.0.1:9", "--knee"], 2, "--slo-ttft"),
        (["http://127.0.0.1:9", "--duration", "soon"], 2, "duration"),
        (["http://127.0.0.1:9", "--price", "1"], 2, "0.15/0.60"),
        (["http://127.0.0.1:9", "--api-price", "nan/1"], 2, "--api-price"),
        (["http://127.0.0.1:9", "--per-day", "1000"], 2, "--usd-per-hour"),
        (["http://127.0.0.1:9", "--knee", "--slo-total", "1s", "--repeats", "3"], 2, "one load"),
    ],
)
async def test_wrong_use_says_what_to_do(arguments: list[str], code: int, words: str) -> None:
    found, _, err = await run(*arguments)
    assert found == code
    assert words in err


async def test_a_trace_file_must_hold_numbers(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_text("0.1\nhello\n")
    code, _, err = await run("http://127.0.0.1:9", "--trace", str(path))
    assert code == 1
    assert "one number a line" in err


@pytest.mark.parametrize("address", ["http://[::1", "localhost:abc", "http://", "ftp://127.0.0.1/v1", "http://a b:1/"])
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:8080/v1"):
        base_url(address)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: bytes | None, asked: asyncio.Event
) -> None:
    """Name one model, and give every request the same reply; None never answers."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET"):
                writer.write(json_reply({"data": [{"id": "one"}]}))
            else:
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                asked.set()
                writer.write(reply or b"")
    writer.close()


async def test_ctrl_c_before_the_first_answer_ends_the_test() -> None:
    asked = asyncio.Event()
    server = await asyncio.start_server(lambda r, w: _serve(r, w, None, asked), "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from sizewise.cli import main; main()", "load", url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await asked.wait()
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    assert b"nothing was measured" in err


async def test_servers_at_ipv6_addresses_are_loaded() -> None:
    reply, asked = json_reply({"choices": [{"text": "hi"}]}), asyncio.Event()
    try:
        server = await asyncio.start_server(lambda r, w: _serve(r, w, reply, asked), "::1", 0)
    except OSError:
        return  # this machine has no IPv6
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, out, err = await run(f"http://[::1]:{port}", "--rate", "10", "--duration", "1s", "--no-audit", "--json")
    assert out, err
    (one,) = json.loads(out)
    assert one["result"]["summary"]["answered"] > 0
