"""`sizewise show MODEL`: what is known of one model, with sources and gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from sizewise.cli.output import answer, json_option, safe
from sizewise.units import format_bytes, format_count, format_percent

_PARTS = {
    "embedding": "embedding", "head": "output head", "attention": "attention", "recurrent": "recurrent layers",
    "feed_forward": "feed-forward (dense, shared)", "experts": "routed experts", "norms": "norms", "other": "other",
}  # fmt: skip


@click.command("show")
@click.argument("model")
@click.option("--kv-type", default="f16", show_default=True, help="Type of the cache: f16, q8_0, q4_0, fp8 ...")
@click.option(
    "--context", "contexts", type=click.IntRange(1), multiple=True, help="Context in tokens; may be repeated."
)
@json_option
def command(model: str, kv_type: str, contexts: tuple[int, ...], as_json: bool) -> None:
    """Facts of one model: parameters, cache, files, sources.

    MODEL is a catalog name or hub id (Qwen/Qwen3-8B), a GGUF or safetensors file, a folder, an Ollama tag (qwen3:8b)
    or a shipped model (ladder-127k).
    """
    from sizewise.models.describing import CONTEXTS, describe
    from sizewise.models.reading import read_model

    facts = describe(read_model(model), kv_type=kv_type, contexts=contexts or CONTEXTS)
    if as_json:
        import json

        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    _print(facts)


def _print(facts: dict[str, Any]) -> None:
    console = answer()
    console.soft_wrap = True
    console.print(f"[bold]{safe(facts['name'])}[/bold]  {safe(_headline(facts))}")
    for title, rows in _sections(facts):
        console.print(f"\n[bold]{title}[/bold]")
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            console.print(f"  {safe(name):<{width}}  {safe(value)}")
    console.print(f"\nnext: sizewise fit  (what runs on this machine, {safe(facts['name'])} among it)")


def _headline(facts: dict[str, Any]) -> str:
    arch = facts.get("architecture")
    if not arch:
        return str(facts["format"])
    kinds = ", ".join(f"{number} {name}" for name, number in arch["layer_kinds"].items())
    heads = f", {arch['heads']} heads / {arch['kv_heads']} kv of {arch['head_dim']}" if "heads" in arch else ""
    experts = arch.get("experts")
    routed = f", {experts['used']} of {experts['count']} experts" if experts else ""
    return (
        f"{arch['family']}: {arch['layers']} layers{f' ({kinds})' if kinds else ''} x {arch['hidden']}{heads}{routed}"
    )


def _sections(facts: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    if "parameters" in facts:
        yield "Parameters", list(_parameters(facts))
    if "file" in facts:
        yield "File", list(_file(facts["file"]))
    if "cache" in facts:
        yield f"Cache ({facts['cache']['type']}), one sequence", list(_cache(facts["cache"]))
        yield "GGUF files by mix (computed tensor by tensor)", list(_files(facts["files"]))
    yield "Facts", list(_facts(facts))
    if facts["unknown"]:
        yield "Not known", [(item, "") for item in facts["unknown"]]
    if facts["sources"]:
        yield "Sources", list(facts["sources"].items())


def _parameters(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    found = facts["parameters"]
    yield "total", f"{found['total']:,}"
    if found["active_share"] < 1:
        yield "active per token", f"{found['active']:,}  ({format_percent(found['active_share'])})"
    yield "read per decode step", f"{found['active_without_input_embedding']:,}  (without the input embedding)"
    for part, number in found["by_part"].items():
        yield f"  {_PARTS[part]}", f"{number:,}  ({format_percent(number / found['total'])})"
    for name, number in found["extras"].items():
        yield f"+ {name}", f"{number:,}  (stored, not in the total)"
    if "published_parameters" in facts:
        yield "published or stored", f"{facts['published_parameters']:,}"
    for name, word in facts["size_class"].items():
        yield f"class by {name}", word
    yield "but", facts["size_class_note"]


def _file(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "path", str(found["path"])
    yield "size", format_bytes(found["bytes"])
    if found["quantization"]:
        yield "quantization", found["quantization"]
    for kind, size in sorted(found["tensor_bytes"].items(), key=lambda item: -item[1]):
        reads = found["read_per_token_bytes"].get(kind)
        yield f"  {kind}", format_bytes(size) + (f", {format_bytes(reads)} read per token" if reads else "")
    if found["chat_template"] is not None:
        yield "chat template", "yes" if found["chat_template"] else "no"


def _cache(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for engine, growth in found["bytes_per_1k_tokens"].items():
        at = ", ".join(f"{format_bytes(size)} at {int(tokens):,}" for tokens, size in found["bytes_at"][engine].items())
        yield engine, f"{format_bytes(growth)} per 1,000 tokens; {at}"


def _files(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for mix, facts in found.items():
        if "error" in facts:
            yield mix, facts["error"]
            continue
        loss = facts.get("perplexity_growth")
        grown = [f"+{100 * share:.2g}" for share in dict.fromkeys(loss or ())]
        text = f"; perplexity {' to '.join(grown)} % (Llama, published)"
        yield mix, format_bytes(facts["bytes"]) + (text if loss and loss[1] > 0 else "")


def _facts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    training = facts.get("training")
    if training:
        yield (
            "training tokens",
            f"{format_count(training['tokens'])}, {training['tokens_per_active_parameter']:,.0f} per active parameter, "
            f"{training['times_compute_optimal']:.1f} times the compute-optimal 20",
        )
    for key, name in (("context_tokens", "context"), ("licence", "licence"), ("release_date", "released")):
        if key in facts:
            value = facts[key]
            yield name, f"{value:,} tokens" if key == "context_tokens" else str(value)
    for name, value in facts.get("scores", {}).items():
        yield name, f"{value:.3f}"
    if "tokenizer" in facts:
        yield "tokenizer", facts["tokenizer"]
    yield "read from", facts["format"] or "nothing"
