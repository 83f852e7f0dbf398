"""Greedy answers of the shipped ladder through llama.cpp against the training code's, on held-out prompts.

Bar: at least 99.5 % of 1,000 prompts equal, for every shipped F16 model,
on the skills it was trained on. Needs torch (extra `ladder`).
Run: python benchmarks/models_ladder_parity.py [--prompts 1000] [--only NAME]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import torch

from sizewise.ladder import family, measure, reading, recipe
from sizewise.ladder.engine_arithmetic import to_f16
from sizewise.records import Message, Request, Settings
from sizewise.runtimes.embedded import EmbeddedRuntime
from sizewise.tasks import skills

BAR = 0.995
SEED = 99


def prompts(count: int, context_tokens: int, names: tuple[str, ...]) -> list[str]:
    """Return `count` held-out prompts of the skills in equal parts that fit the context with their answers."""
    share = 2 * -(-count // len(names)) + 4
    found = [sample.prompt for name in names for sample in skills.load(name, SEED, share)]
    fitting = [prompt for prompt in found if len(prompt) + skills.MAX_ANSWER_TOKENS <= context_tokens]
    step = len(fitting) / count
    return [fitting[int(number * step)] for number in range(count)]


async def through_llama_cpp(path: Path, asked: list[str], context_tokens: int) -> list[str]:
    """Return the embedded runtime's greedy answers."""
    settings = Settings(chat=False, max_output_tokens=skills.MAX_ANSWER_TOKENS, context_tokens=context_tokens)
    runtime = EmbeddedRuntime(path, settings)
    await runtime.start()
    found = []
    try:
        for prompt in asked:
            message = Message(role="user", content=prompt)
            completion = await runtime.generate(Request(messages=(message,), settings=settings, model=path.stem))
            if completion.error:
                raise SystemExit(f"{path.name}: {completion.error} on {prompt!r}")
            found.append(completion.text.removesuffix("\n"))
    finally:
        await runtime.close()
    return found


def main() -> int:
    """Print a line per model and the worst; return 0 where the bar holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    worst = 1.0
    chosen = [
        m for m in family.models(args.folder) if m.quantization == "F16" and (not args.only or m.name in args.only)
    ]
    for model in chosen:
        path = family.path(model.name, args.folder)
        context = min(model.context_tokens, 512)
        asked = prompts(args.prompts, context, recipe.find(model.member).skills or skills.names())
        theirs = asyncio.run(through_llama_cpp(path, asked, context))
        ours = measure.answers(to_f16(reading.load(path), exact=True), asked)
        equal = sum(a == b for a, b in zip(ours, theirs, strict=True))
        worst = min(worst, equal / len(asked))
        print(f"{model.name:32} {equal:5} of {len(asked)} equal")
    print(f"worst of {len(chosen)} models: {worst:.4f}, bar {BAR}")
    return 0 if worst >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
