"""Parameter counts against `transformers` models on the meta device.

Run: `python benchmarks/models_transformers.py`. Needs `transformers` and `torch` (no dependency of sizewise); reads the
catalog's distinct shapes and the full `config.json` files in ../shared/data/catalog/hf_configs (SIZEWISE_DATA).

A configuration counts when both sides support it. Transformers keeps the routers' correction biases as buffers although
checkpoints store them, so these buffers are added to its count; nothing else is adjusted. Shapes that come from partial
extracts leave fields to the class on both sides.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sizewise.errors import SizewiseError
from sizewise.models import catalog
from sizewise.models.architecture import count_parameters
from sizewise.models.configuration import read_architecture, text_config

BAR = 0.98

STATED: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"q_lora_rank": None},
    "phimoe": {"attention_bias": True, "lm_head_bias": True},
    "glm": {"pad_token_id": 0},
}
"""Fields that the published files state and partial extracts lack, while transformers' class has another default."""
RENAMED = {"granitemoe": {"num_experts": "num_local_experts"}, "phimoe": {"num_experts": "num_local_experts"}}
"""Extracts use one name for the number of experts; these classes know another."""
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}  # fmt: skip
"""Rotary numbers that no count depends on, which transformers insists on."""


def translated(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration in the words of transformers' class."""
    kind = config["model_type"]
    found = {RENAMED.get(kind, {}).get(key, key): value for key, value in config.items()}
    found = STATED.get(kind, {}) | found
    if found.get("rope_scaling") == {"rope_type": "llama3"} or "rope_type" in (found.get("rope_scaling") or {}):
        found["rope_scaling"] = LLAMA3
    return {key: value for key, value in found.items() if key not in ("model_type", "auto_map")}


def configurations(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, configuration of the text model), distinct shapes once."""
    seen = set()
    for path in sorted((data / "catalog" / "hf_configs").glob("*.json")):
        config = text_config(json.loads(path.read_text(encoding="utf-8")))
        config.pop("quantization_config", None)
        yield path.name.removesuffix("_config.json"), config
    for row in catalog.rows():
        if row["shape"] not in seen:
            seen.add(row["shape"])
            yield row["id"], catalog.configuration(row)


def theirs(config: dict[str, Any]) -> int | None:
    """Return the parameters of transformers' causal model; None where it does not know the type."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = config["model_type"]
    if kind not in CONFIG_MAPPING:
        return None
    made = CONFIG_MAPPING[kind](**translated(config))
    causal = type(made) in AutoModelForCausalLM._model_mapping
    with torch.device("meta"):
        model = (AutoModelForCausalLM if causal else AutoModel).from_config(made)
    stored = sum(parameter.numel() for parameter in model.parameters())
    if not causal and not config.get("tie_word_embeddings"):  # the text part of a vision model has no head of its own
        stored += config["hidden_size"] * config["vocab_size"]
    kept = [buffer.numel() for name, buffer in model.named_buffers() if name.endswith("e_score_correction_bias")]
    return stored + sum(kept)


def main() -> int:
    """Print what differs and the bar."""
    warnings.simplefilter("ignore")
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    data = Path(os.environ.get("SIZEWISE_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    if not (data / "catalog" / "hf_configs").is_dir():
        print(f"no configurations at {data}; give the data folder in SIZEWISE_DATA", file=sys.stderr)
        return 1
    outcome: Counter[str] = Counter()
    for name, config in configurations(data):
        try:
            ours = count_parameters(read_architecture(config)).total
        except SizewiseError as error:
            outcome["refused by us"] += 1
            print(f"refused  {name}: {str(error)[:110]}")
            continue
        try:
            other = theirs(config)
        except Exception as error:  # noqa: BLE001 - whatever their code raises means that they do not support it
            outcome["refused by transformers"] += 1
            print(f"theirs   {name}: {type(error).__name__} {str(error)[:110]}")
            continue
        if other is None:
            outcome["type unknown to transformers"] += 1
        elif other == ours:
            outcome["equal"] += 1
        else:
            outcome["differ"] += 1
            print(f"differ   {name} ({config['model_type']}): ours {ours:,}, theirs {other:,}, {ours - other:+,}")
    for kind, number in outcome.most_common():
        print(f"{number:5}  {kind}")
    both = outcome["equal"] + outcome["differ"]
    share = outcome["equal"] / both if both else 0.0
    ok = share >= BAR
    print(f"equal to the last parameter on {outcome['equal']} of {both} configurations that both support = "
          f"{100 * share:.2f} % (bar 98 %): {'holds' if ok else 'FAILS'}")  # fmt: skip
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
