"""The fits find constants that made the data, serve held-out rows honestly, and their commands answer."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from click.testing import CliRunner

from sizewise.cli.fit import command as fit_command
from sizewise.cli.plan import command as plan_command
from sizewise.prediction.catalog_facts import catalog_shapes
from sizewise.prediction.constants import decode_range, fitted
from sizewise.prediction.fitting import SpeedRow, fit_decode, leave_one_out, quantile, residual_range, summary
from sizewise.prediction.serving import TPOT_TERMS, TTFT_TERMS, ServingCase, fitted_times, serving_times
from sizewise.prediction.serving_fit import ServingRow, fit_serving, serving_left_out


def made_up_rows(noise: float, seed: int = 1) -> list[SpeedRow]:
    """Return rows of 12 devices of two classes that follow the law, times a device's own factor."""
    rng = random.Random(seed)
    rows = []
    for device in range(12):
        bandwidth, own = 10 ** rng.uniform(10.8, 12.2), rng.lognormvariate(0, noise)
        name = "A" if device % 2 else "B"
        for size in (1e9, 3e9, 8e9, 14e9):
            seconds = (1.2 if name == "A" else 1.8) * size / bandwidth + 5e-4 + 4e-5 * 32
            rows.append(
                SpeedRow(
                    device=f"d{device}", device_class=name, engine="llamacpp", read_bytes=size, bandwidth=bandwidth,
                    layers=32, sparse=False, tokens_per_s=own / seconds,
                )
            )  # fmt: skip
    return rows


def test_the_fit_recovers_the_law_that_made_the_rows() -> None:
    fit = fit_decode(made_up_rows(0.0), ridge=1e-6)
    assert fit.classes["A"].per_byte == pytest.approx(1.2, rel=0.02)
    assert fit.classes["B"].per_byte == pytest.approx(1.8, rel=0.02)


def test_ranges_made_without_a_device_hold_most_of_its_rows() -> None:
    rows = made_up_rows(0.15)
    pairs = leave_one_out(rows)
    low, high = residual_range(pairs, "A")
    inside = [low <= 1 / ratio <= high for row, ratio in pairs if row.device_class == "A"]
    assert sum(inside) / len(inside) >= 0.85
    assert low < 1 < high


def test_a_class_seen_on_few_devices_gets_a_wider_range() -> None:
    few = [row for row in made_up_rows(0.15) if row.device_class == "B" or row.device == "d1"]
    pairs = leave_one_out(few)
    narrow, wide = residual_range(pairs, "B"), residual_range(pairs, "A")
    assert wide[1] / wide[0] > narrow[1] / narrow[0]


def test_summary_and_quantile_follow_their_definitions() -> None:
    assert summary([1.0, 1.1, 0.5])["median_error"] == pytest.approx(0.1)
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.25) == pytest.approx(1.75)


def test_shipped_constants_carry_their_held_out_errors_within_the_bars() -> None:
    held = fitted()["decode"]["held_out"]
    assert held["apple"]["median_error"] <= 0.05
    assert held["community"]["median_error"] <= 0.16
    serving = fitted()["serving"]["held_out"]
    assert max(serving["tpot_by_model"]["median_error"], serving["tpot_by_system"]["median_error"]) <= 0.15
    assert max(serving["ttft_by_model"]["median_error"], serving["ttft_by_system"]["median_error"]) <= 0.40
    low, high = decode_range("a vendor that nobody measured")
    assert low < 0.6
    assert high > 1.5


def case(**changes: object) -> ServingCase:
    shape = next(shape for _, shape, _ in catalog_shapes() if shape.family == "qwen3" and shape.layers == 64)
    plain = {
        "shape": shape, "parameters": 32.8e9, "weight_bytes_each": 2.0, "flops": 989e12, "bandwidth": 3.35e12,
        "gpus": 2, "concurrency": 16.0, "input_tokens": 1024.0, "output_tokens": 256.0,
    }  # fmt: skip
    return ServingCase(**{**plain, **changes})  # type: ignore[arg-type]


def test_serving_is_monotone_in_bandwidth_load_and_length() -> None:
    own = fitted()["serving"]
    slower = {
        "bandwidth": (5e12, 3e12, 1e12),
        "concurrency": (1.0, 8.0, 64.0),
        "input_tokens": (256.0, 2048.0, 8192.0),
        "weight_bytes_each": (1.0, 1.5, 1.9),
    }
    for name, values in slower.items():
        times = [fitted_times(case(**{name: value}), own)[0] for value in values]
        for less, more in pairwise(times):
            assert less <= more, name


def test_the_serving_fit_recovers_factors_that_made_the_rows() -> None:
    rng = random.Random(2)
    tpot = [1.2] * len(TPOT_TERMS)
    ttft = [0.5, 0.8, 0.2, 0.1, *([0.0] * (len(TTFT_TERMS) - 4))]
    rows = []
    for index in range(240):
        one = case(
            concurrency=float(rng.choice([1, 4, 16, 64])), input_tokens=float(rng.choice([256, 1024, 4096])),
            gpus=rng.choice([1, 2, 4]), bandwidth=rng.uniform(1e12, 8e12), output_tokens=float(rng.choice([128, 1024])),
            engine=rng.choice(["vllm", "sglang", "trtllm"]),
        )  # fmt: skip
        step, first = serving_times(one, tpot, ttft)
        rows.append(ServingRow(case=one, model=f"m{index % 4}", system=f"s{index % 3}", tpot_s=step, ttft_s=first))
    found_tpot, found_ttft = fit_serving(rows)
    errors = [abs(serving_times(row.case, found_tpot, found_ttft)[0] / row.tpot_s - 1) for row in rows]
    assert quantile(errors, 0.9) < 0.01
    held = serving_left_out(rows, lambda row: row.model)
    assert len(held) == len(rows)
    assert quantile([abs(first - 1) for _, _, first in held], 0.5) < 0.1


# --------------------------------------------------------------------------- commands


def test_fit_prints_data_for_another_machine() -> None:
    done = CliRunner().invoke(fit_command, ["--machine", "RTX 4090", "--json", "--limit", "3", "qwen3-8b"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    row = document["rows"][0]
    assert row["fits"]
    assert row["decode_tokens_per_s"]["low"] < row["decode_tokens_per_s"]["value"] < row["decode_tokens_per_s"]["high"]
    assert row["command"].startswith("llama-server -m ")
    assert row["quality"].startswith("quality: not known for your task, measure it: sizewise run")


def test_fit_says_why_nothing_fits_and_ends_with_4() -> None:
    done = CliRunner().invoke(fit_command, ["--machine", "RTX 4060", "deepseek-v3"])
    assert done.exit_code == 4
    assert "does not fit: deepseek-ai/DeepSeek-V3" in done.stdout


def test_fit_refuses_a_context_that_is_too_short() -> None:
    done = CliRunner().invoke(fit_command, ["--prompt", "5000"])
    assert "pass --context 5256" in str(done.exception)


def test_plan_names_devices_offers_and_a_miss() -> None:
    done = CliRunner().invoke(plan_command, ["Qwen/Qwen3-8B", "--min-speed", "30", "--json", "--limit", "4"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["smallest"]
    assert all(row["decode_tokens_per_s"]["low"] >= 30 for row in document["smallest"])
    assert all(offer["date"] for offer in document["cloud"])
    memory = document["smallest"][0]["memory_bytes"]
    assert memory["source"] == "measured"
    assert "measured by the engine" in document["memory_source"]
    miss = CliRunner().invoke(
        plan_command, ["Qwen/Qwen3-8B", "--machine", "RTX 4060", "--min-speed", "5000", "--formulas"]
    )
    assert "memory: formula for llama.cpp" in miss.stdout
    assert miss.exit_code == 4
    assert "tok/s, at worst" in miss.stdout


def test_plan_says_why_the_engine_was_not_asked() -> None:
    many = CliRunner().invoke(
        plan_command, ["Qwen/Qwen3-0.6B", "--machine", "RTX 4090", "--concurrency", "4", "--json"]
    )
    assert "one request at a time only" in json.loads(many.stdout)["memory_source"]
    served = ["Qwen/Qwen3-0.6B", "--machine", "RTX 4090", "--engine", "vllm", "--json"]
    assert json.loads(CliRunner().invoke(plan_command, served).stdout)["memory_source"] == "formula for vllm"


def test_plan_compares_with_an_api_at_its_listed_price() -> None:
    done = CliRunner().invoke(plan_command, ["Qwen/Qwen3-8B", "--machine", "RTX 4090", "--api", "gpt-4o", "--json"])
    assert done.exit_code == 0, done.output
    even = json.loads(done.stdout)["break_even"]
    assert even["machine"] == "RTX 4090"
    assert 0 < even["requests_per_day"] < 100_000
    assert even["price_date"]


def test_plan_compares_a_day_at_the_users_own_load_and_prices() -> None:
    def day(*more: str) -> dict[str, float]:
        asked = ["Qwen/Qwen3-8B", "--machine", "RTX 4090", "--api", "gpt-4o", "--requests-per-day", "1000", "--json"]
        done = CliRunner().invoke(plan_command, [*asked, "--formulas", *more])
        assert done.exit_code == 0, done.output
        found: dict[str, float] = json.loads(done.stdout)["break_even"]
        return found

    plain, dear, cached = day(), day("--usd-per-hour", "5"), day("--cached-share", "0.9")
    assert dear["own_usd_per_day"] > 120 > plain["own_usd_per_day"] > 0
    assert cached["api_usd_per_day"] < plain["api_usd_per_day"]
    assert plain["api_usd_per_day"] == pytest.approx(1000 * plain["api_usd_per_answer"])
