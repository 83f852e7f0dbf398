"""A bounded corpus of broken inputs: whatever comes in, only our own errors come out, quickly."""

from __future__ import annotations

import json
import random
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sizewise.errors import SizewiseError
from sizewise.models import catalog
from sizewise.models.cache import cache_bytes
from sizewise.models.file_layout import file_tensors
from sizewise.models.files import config_model, read_gguf_model
from sizewise.models.gguf_metadata import metadata, tokenizer
from sizewise.models.gguf_writing import write_gguf
from sizewise.models.safetensors_reading import parse_json, read_safetensors

NAMES = ("openai/gpt-oss-20b", "LiquidAI/LFM2-1.2B", "deepseek-ai/DeepSeek-V2-Lite", "tiiuae/Falcon-H1-0.5B-Base")
ODD = (b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 2**63), struct.pack("<I", 9), b"blk.", b"GGUF", b"9" * 40, b"[" * 200)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return the data with a few bytes changed, cut, doubled or replaced by odd ones."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at, kind = rng.randrange(len(out) + 1), rng.randrange(5)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] = rng.randrange(256)
        elif kind == 1:
            del out[at : at + rng.randrange(64)]
        elif kind == 2:
            out[at:at] = out[at : at + rng.randrange(64)]
        else:
            odd = rng.choice(ODD)
            out[at : at + len(odd)] = odd
    return bytes(out)


@pytest.mark.parametrize("name", NAMES)
def test_mutated_gguf_files_give_a_model_or_a_readable_error(name: str, tmp_path: Path) -> None:
    arch, path, rng = catalog.model(catalog.find(name) or {}).architecture, tmp_path / "x.gguf", random.Random(1)
    assert arch is not None
    table = [(tensor.name, (32,) * len(tensor.shape), "Q8_0") for tensor in file_tensors(arch)[:40]]
    write_gguf(path, metadata(arch) | tokenizer(300), table)
    whole = path.read_bytes()
    began = time.process_time()
    for _ in range(100):
        path.write_bytes(mutated(whole[:30_000], rng) + whole[30_000:])
        with suppress(SizewiseError):
            read_gguf_model(path)
    assert time.process_time() - began < 60


@pytest.mark.parametrize("name", NAMES)
def test_mutated_configurations_give_a_model_or_a_readable_error(name: str) -> None:
    row, rng = catalog.find(name), random.Random(2)
    assert row is not None
    whole = json.dumps(catalog.configuration(row)).encode()
    for _ in range(100):
        with suppress(SizewiseError):
            model = config_model(parse_json(mutated(whole, rng), "config.json"), "x")
            assert model.architecture is not None
            cache_bytes(model.architecture, 4096)


@pytest.mark.parametrize("value", [None, [], {}, "x", -5, 1e300, True, [1, 2], 10**30])
def test_any_field_may_hold_anything(value: object) -> None:
    for name in NAMES:
        row = catalog.find(name)
        assert row is not None
        config = catalog.configuration(row)
        for field in config:
            with suppress(SizewiseError):
                found = config_model({**config, field: value}, "x")
                assert found.architecture is not None
                cache_bytes(found.architecture, 4096)


def test_mutated_safetensors_give_tensors_or_a_readable_error(tmp_path: Path) -> None:
    header = {"a": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, "__metadata__": {"format": "pt"}}
    raw, path, rng = json.dumps(header).encode(), tmp_path / "x.safetensors", random.Random(3)
    whole = struct.pack("<Q", len(raw)) + raw + bytes(12)
    for _ in range(500):
        path.write_bytes(mutated(whole, rng))
        with suppress(SizewiseError):
            read_safetensors(path)
