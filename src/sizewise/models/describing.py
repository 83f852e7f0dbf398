"""Everything known of one model as plain data: what `sizewise show` prints and `--json` writes.

Not covered: whether it runs on a machine and how fast (`sizewise fit`).
"""

from __future__ import annotations

from typing import Any

from sizewise.errors import SizewiseError
from sizewise.models import cache, quantization
from sizewise.models.quality import loss_range
from sizewise.models.sizes import size_classes, why_little
from sizewise.records import Architecture, Model, ParameterCounts

COMPUTE_OPTIMAL = 20.0
"""Training tokens per parameter of Hoffmann et al. 2022 (Chinchilla), table 3 rounded."""

CONTEXTS = (4096, 32768, 131072)


def describe(model: Model, *, kv_type: str = "f16", contexts: tuple[int, ...] = CONTEXTS) -> dict[str, Any]:
    """Return facts of a model as JSON-ready data; parts that are not known are absent and named under "unknown".

    Raises `ConfigError` for an unknown cache type.
    """
    found: dict[str, Any] = {"name": model.name, "format": model.format}
    if model.path is not None:
        found["file"] = {
            "path": model.path,
            "bytes": model.file_bytes,
            "tensor_bytes": dict(model.tensor_bytes),
            "read_per_token_bytes": dict(model.active_tensor_bytes),
            "quantization": model.quantization,
            "chat_template": model.chat_template,
        }
    elif model.quantization:
        found["quantization"] = model.quantization
    if model.published_parameters:
        found["published_parameters"] = model.published_parameters
    if model.counts:
        found |= _counts(model, model.counts)
    if model.architecture:
        found |= _shape(model.architecture, kv_type, contexts)
    for name in ("context_tokens", "licence", "release_date", "tokenizer"):
        if getattr(model, name) is not None:
            found[name] = getattr(model, name)
    if model.scores:
        found["scores"] = {name: score.value for name, score in model.scores.items()}
    found["unknown"] = list(model.unknown)
    found["sources"] = dict(model.sources)
    return found


def _counts(model: Model, counts: ParameterCounts) -> dict[str, Any]:
    parts = ("embedding", "head", "attention", "recurrent", "feed_forward", "experts", "norms", "other")
    found: dict[str, Any] = {
        "parameters": {
            "total": counts.total,
            "active": counts.active,
            "active_without_input_embedding": counts.active_without_embedding,
            "active_share": counts.active / counts.total,
            "by_part": {part: getattr(counts, part) for part in parts if getattr(counts, part)},
            "extras": dict(counts.extras),
        },
        "size_class": size_classes(counts),
        "size_class_note": why_little(counts, model.training_tokens),
    }
    if model.training_tokens:
        ratio = model.training_tokens / counts.active
        found["training"] = {
            "tokens": model.training_tokens,
            "tokens_per_active_parameter": ratio,
            "times_compute_optimal": ratio / COMPUTE_OPTIMAL,
        }
    return found


def _shape(arch: Architecture, kv_type: str, contexts: tuple[int, ...]) -> dict[str, Any]:
    longest = arch.context_tokens
    shown = [tokens for tokens in contexts if longest is None or tokens <= longest] or [longest or contexts[0]]
    return {
        "architecture": _outline(arch),
        "cache": {
            "type": kv_type,
            "bytes_per_1k_tokens": {
                engine: 1000 * cache.bytes_per_token(arch, kv_type=kv_type, engine=engine) for engine in cache.ENGINES
            },
            "bytes_at": {
                engine: {
                    str(tokens): cache.cache_bytes(arch, tokens, kv_type=kv_type, engine=engine) for tokens in shown
                }
                for engine in cache.ENGINES
            },
        },
        "files": _files(arch),
    }


def _outline(arch: Architecture) -> dict[str, Any]:
    attends = [layer.attention for layer in arch.layers if layer.attention]
    kinds = {
        "latent": sum(bool(item.latent) for item in attends),
        "windowed": sum(bool(item.window) for item in attends),
        "sharing a cache": sum(item.shares_cache for item in attends),
        "recurrent": sum(bool(layer.recurrent) for layer in arch.layers),
        "with experts": sum(bool(layer.experts) for layer in arch.layers),
    }
    found: dict[str, Any] = {
        "family": arch.family,
        "layers": len(arch.layers),
        "hidden": arch.hidden,
        "vocabulary": arch.vocabulary,
        "tied_head": arch.tied,
        "attention_layers": len(attends),
        "layer_kinds": {name: number for name, number in kinds.items() if number},
    }
    if attends:
        found |= {"heads": attends[-1].heads, "kv_heads": attends[-1].kv_heads, "head_dim": attends[-1].head_dim}
        found |= {"window": min(item.window for item in attends if item.window)} if kinds["windowed"] else {}
    experts = next((layer.experts for layer in arch.layers if layer.experts), None)
    if experts:
        found["experts"] = {"count": experts.count, "used": experts.used, "shared": experts.shared_width > 0}
    return found


def _files(arch: Architecture) -> dict[str, Any]:
    """Return the GGUF file size of the common mixes, with the published loss of quality where there is one."""
    found: dict[str, Any] = {}
    for mix in quantization.COMMON_MIXES:
        try:
            found[mix] = {"bytes": quantization.file_bytes(arch, mix)}
        except SizewiseError as error:
            found[mix] = {"error": str(error)}
            continue
        loss = loss_range(mix)
        if loss:
            found[mix]["perplexity_growth"] = list(loss)
    return found
