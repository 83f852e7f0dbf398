"""Build the shipped catalog from the raw rows: `python -m sizewise.models.catalog_build RAW.jsonl`.

Raw rows hold a Hugging Face configuration, a published total and where each came from. The build prunes fields that
our rules do not read, stores each distinct shape once, and writes down how every published total is explained.
Corrections of raw facts are listed here with their reason; nothing else is changed. Not covered: collecting rows.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sizewise.errors import SizewiseError
from sizewise.models.architecture import count_parameters
from sizewise.models.catalog import CATALOG_PATH
from sizewise.models.configuration import read_architecture, text_config
from sizewise.models.extras import explain, extras
from sizewise.models.families import FAMILIES

_UNREAD = frozenset({
    "rms_norm_eps", "rope_theta", "rope_parameters", "hidden_act", "hidden_activation", "norm_topk_prob",
    "routed_scaling_factor", "scoring_func", "topk_method", "n_group", "topk_group", "query_pre_attn_scalar",
    "attn_logit_softcapping", "final_logit_softcapping", "swiglu_limit", "index_topk", "rotary_dim", "chunk_size",
    "partial_rotary_factor", "mlp_hidden_act", "no_rope_layers", "original_max_position_embeddings", "rope_scaling",
})  # fmt: skip
"""Fields that no count and no cache depends on (rope_scaling is reduced to its kind)."""

_GLM = "the configuration the model was published with states it; the raw row had taken a class default"
_FIXES: tuple[tuple[tuple[str, ...], Mapping[str, Any], str], ...] = (
    (("meta-llama/CodeLlama-7b-hf", "meta-llama/CodeLlama-7b-Instruct-hf"), {"vocab_size": 32016},
     "Code Llama 7B adds 16 infilling tokens to Llama 2's 32,000; the raw row had Llama 2's"),
    (("meta-llama/CodeLlama-34b-hf",), {"vocab_size": 32000},
     "Code Llama 34B has no infilling tokens; the raw row took 32,016 from MLC"),
    (("zai-org/GLM-4-32B-0414", "zai-org/GLM-Z1-32B-0414", "zai-org/glm-edge-1.5b-chat", "zai-org/glm-edge-4b-chat"),
     {"attention_bias": False}, "the published total has no biases; the class default is True"),
    (("zai-org/GLM-Z1-Rumination-32B-0414",), {"attention_bias": False, "num_key_value_heads": 8}, _GLM),
    (("google/gemma-3-4b-it", "google/gemma-3-4b-pt", "google/gemma-3-12b-it", "google/gemma-3-12b-pt",
      "google/gemma-3-27b-it", "google/gemma-3-27b-pt"), {"vocab_size": 262208},
     "class default of Gemma3TextConfig, which the files leave out; the raw row had litgpt's 262,144"),
    (("google/gemma-4-26B-A4B-it",), {"num_global_key_value_heads": 2}, "as stated by the model it was tuned from"),
    (("google/gemma-4-31B",), {"num_global_key_value_heads": 4, "global_head_dim": 512},
     "as stated by nvidia/Gemma-4-31B-IT-NVFP4 (aiconfigurator)"),
    (("state-spaces/mamba-130m-hf", "state-spaces/mamba-370m-hf", "state-spaces/mamba-790m-hf",
      "state-spaces/mamba-1.4b-hf", "state-spaces/mamba-2.8b-hf"), {"tie_word_embeddings": True},
     "class default of MambaConfig; the published total has no second matrix"),
    (("stabilityai/stablelm-2-1_6b", "stabilityai/stablelm-2-1_6b-chat"), {"use_qkv_bias": True}, _GLM),
)  # fmt: skip
"""(ids, corrected fields, why)."""

_SCORES = ("MMLU", "ARC-C", "HellaSwag", "Winograd", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval")
_SCORE_SET = "ObsScaling harness"


def corrected(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a raw row's configuration with our corrections, and a note for each."""
    config: dict[str, Any] = {"model_type": row["model_type"], **row["config"]}
    notes = []
    for ids, fields, why in _FIXES:
        if row["id"] in ids:
            config |= fields
            notes.append(f"{', '.join(fields)} corrected: {why}")
    layout = row.get("attention_layout") or {}
    family = FAMILIES.get(config["model_type"])
    if "sliding_window" not in config and family and family.defaults.get("sliding_window"):
        config["sliding_window"] = layout.get("sliding_window")
    solved = config.pop("_num_full_attention_layers_solved", None)
    if solved and "layer_types" not in config:
        layers = config["num_hidden_layers"]
        config["layer_types"] = ["full_attention"] * solved + ["conv"] * (layers - solved)
        notes.append(f"{solved} of {layers} layers attend (solved from the published total); which ones is not known")
    return config, notes


def pruned(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that our rules read, with the per-layer words packed."""
    kept = {key: value for key, value in config.items() if key not in _UNREAD and value is not None}
    scaling = config.get("rope_scaling") or config.get("rope_parameters")
    if isinstance(scaling, Mapping) and scaling.get("rope_type", scaling.get("type")) == "llama3":
        kept["rope_scaling"] = {"rope_type": "llama3"}
    for key in ("layer_types", "layers_block_type", "indexer_types"):
        if isinstance(kept.get(key), list):
            words = sorted(set(kept[key]))
            kept[key] = ",".join(words) + "|" + "".join(str(words.index(word)) for word in kept[key])
    if config.get("sliding_window", 0) is None:
        kept["sliding_window"] = None
    return kept


def _unknown(row: Mapping[str, Any], notes: list[str]) -> list[str]:
    layout = row.get("attention_layout") or {}
    missing = [
        name
        for name, value in (
            ("context", row.get("context")),
            ("licence", row.get("licence")),
            ("release date", row.get("release_date")),
            ("training tokens", row.get("training_tokens_T")),
        )
        if value is None
    ]
    if layout.get("basis") == "unknown_assumed_full":
        missing.append("sliding window (counted as full attention)")
    if any("which ones is not known" in note for note in notes):
        missing.append("which layers attend")
    return missing


class Builder:
    """Collects rows; shapes and sources are stored once."""

    def __init__(self, trained: Mapping[str, Mapping[str, str]]) -> None:
        self.trained = trained
        self.shapes: dict[str, int] = {}
        self.sources: dict[str, int] = {}
        self.rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one raw row; rows that our rules cannot read are left out and reported."""
        config, notes = corrected(row)
        arch = read_architecture(config)
        counts = count_parameters(arch)
        published = row.get("params_total_published")
        names = explain(published, counts.total, extras(arch, config)) if published else None
        shape = json.dumps(pruned(config), sort_keys=True, separators=(",", ":"))
        entry = {
            "id": row["id"],
            "shape": self.shapes.setdefault(shape, len(self.shapes)),
            "total": counts.total,
            "active": counts.active,
            "reads": counts.active_without_embedding,
            "published": published,
            "explained": list(names) if names is not None else None,
            "context": row.get("context") or arch.context_tokens,
            "context_source": row.get("context_source"),
            "licence": row.get("licence"),
            "date": row.get("release_date"),
            "quality": row.get("config_quality"),
            "independent": bool((row.get("params_check") or {}).get("independent_of_published_total")),
            "modality": row.get("modality"),
            "sources": [self._source(source) for source in row.get("sources", ())],
            "notes": notes,
            "unknown": _unknown(row, notes),
        }
        entry |= self._training(row)
        self.rows.append(
            {key: value for key, value in entry.items() if value not in (None, [], {}) or key == "explained"}
        )

    def _training(self, row: Mapping[str, Any]) -> dict[str, Any]:
        tokens, where = row.get("training_tokens_T"), row.get("training_tokens_sources") or [{}]
        found: dict[str, Any] = {"tokens": tokens, "tokens_source": where[0].get("source")} if tokens else {}
        facts = self.trained.get(str(row["id"]))
        if facts and facts["verified"] == "Y" and facts["score_set"].startswith(_SCORE_SET):
            found["scores"] = {name: float(facts[name]) for name in _SCORES if facts.get(name)}
        return found

    def _source(self, source: Mapping[str, Any]) -> int:
        text = f"{source.get('repo')} {source.get('path') or ''}".strip()
        return self.sources.setdefault(text, len(self.sources))

    def text(self) -> str:
        """Return the catalog as compact JSON, rows sorted by name."""
        rows = sorted(self.rows, key=lambda row: str(row["id"]).lower())
        shapes = "[" + ",\n".join(self.shapes) + "]"
        lines = ",\n".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows)
        sources = json.dumps(list(self.sources), ensure_ascii=False)
        return f'{{"sources":{sources},\n"shapes":{shapes},\n"rows":[{lines}]}}\n'


def raw_rows(raw: Path) -> Iterator[dict[str, Any]]:
    """Yield the raw rows, then full configurations beside them whose model has no row."""
    seen = set()
    for line in raw.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        seen.add(row["id"])
        yield row
    for path in sorted((raw.parent / "hf_configs").glob("*_config.json")):
        name = path.name.removesuffix("_config.json").replace("--", "/", 1)
        config = json.loads(path.read_text(encoding="utf-8"))
        if name not in seen and not config.get("quantization_config"):
            text = text_config(config)
            yield {
                "id": name,
                "model_type": text.get("model_type"),
                "config": {key: value for key, value in text.items() if key != "model_type" and _plain(value)},
                "config_quality": "full_config_json",
                "context_source": "config max_position_embeddings",
                "sources": [{"repo": "ai-dynamo/aiconfigurator", "path": f"model_configs/{path.name}"}],
            }


def _plain(value: Any) -> bool:
    return not isinstance(value, dict) or "rope_type" in value or "type" in value


def build(raw: Path, families: Path | None, out: Path) -> tuple[int, list[str]]:
    """Write the catalog; return how many models it holds and why others were left out."""
    trained = {}
    if families is not None:
        with families.open(encoding="utf-8", newline="") as file:
            trained = {row["model"]: row for row in csv.DictReader(file)}
    builder, left_out = Builder(trained), []
    for row in raw_rows(raw):
        try:
            builder.add(row)
        except SizewiseError as error:
            left_out.append(f"{row['id']}: {error}")
    out.write_text(builder.text(), encoding="utf-8")
    return len(builder.rows), left_out


def main(arguments: list[str]) -> int:
    """Build from the command line: RAW.jsonl [FAMILIES.csv] [OUT.json]."""
    if not arguments or not Path(arguments[0]).is_file():
        print("usage: python -m sizewise.models.catalog_build RAW.jsonl [FAMILIES.csv] [OUT.json]", file=sys.stderr)
        return 2
    families = Path(arguments[1]) if len(arguments) > 1 else None
    out = Path(arguments[2]) if len(arguments) > 2 else CATALOG_PATH
    number, left_out = build(Path(arguments[0]), families, out)
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{number} models, {out.stat().st_size / 1e6:.2f} MB in {out.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
