"""A Hugging Face model in this process: for weights that have no GGUF file. Needs the extra `transformers`.

One request at a time, greedy or sampled with a seed. Does not cover JSON schemas, grammars and tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, ErrorClass, Request, Settings, StopReason, Timing
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.openai_form import bare_prompt, failed
from sizewise.runtimes.process_memory import peak_resident_bytes


class TransformersRuntime:
    """One model loaded with transformers, on the GPU where there is one."""

    def __init__(self, model: str, settings: Settings) -> None:
        self._name = model
        self._settings = settings
        self._model: Any = None
        self._tokenizer: Any = None
        self._context: int | None = None
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> EngineInfo:
        """Load the model; raises RuntimeFailure when the extra is missing or the model cannot be read."""
        try:
            import torch
            import transformers
        except ImportError as missing:
            raise RuntimeFailure(
                f"cannot run {self._name} in process: {missing.name} is not installed. "
                "Install the extra with: pip install 'sizewise[transformers]'"
            ) from None
        began = time.monotonic()
        try:
            self._tokenizer, self._model = await asyncio.to_thread(self._load, torch, transformers)
        except (OSError, ValueError, RuntimeError) as problem:
            raise RuntimeFailure(
                f"transformers cannot load {self._name}: {problem}. Expected a folder or a hub name with config.json, "
                "weights and a tokenizer"
            ) from None
        trained = getattr(self._model.config, "max_position_embeddings", None)
        self._context = min(filter(None, (self._settings.context_tokens, trained)), default=None)
        return EngineInfo(
            name="transformers",
            version=f"{transformers.__version__}, torch {torch.__version__}",
            context_tokens=self._context,
            load_s=time.monotonic() - began,
            buffers_bytes={"weights": sum(item.numel() * item.element_size() for item in self._model.parameters())},
            notes=() if self._tokenizer.chat_template else ("the model has no chat template: prompts are sent bare",),
        )

    def _load(self, torch: Any, transformers: Any) -> tuple[Any, Any]:
        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        transformers.utils.logging.disable_progress_bar()
        tokenizer = transformers.AutoTokenizer.from_pretrained(self._name)
        model = transformers.AutoModelForCausalLM.from_pretrained(self._name, torch_dtype="auto")
        return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    async def generate(self, request: Request) -> Completion:
        """Answer one request; requests wait for each other."""
        intended = time.monotonic()
        if self._model is None:
            raise RuntimeFailure("the runtime was not started; call start() first")
        if request.tools or request.settings.json_schema or request.settings.grammar:
            why = "the transformers runtime cannot enforce tools, schemas or grammars; use embedded or a server"
            return failed(ErrorClass.CLIENT, why, intended_s=intended, now_s=time.monotonic())
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._answer, request, intended)

    def _answer(self, request: Request, intended_s: float) -> Completion:
        started = time.monotonic()
        tokens = self._encode(request)
        settings = request.settings
        room = settings.max_output_tokens if self._context is None else self._context - tokens.shape[1]
        if room < 1:
            why = f"the prompt has {tokens.shape[1]:,} tokens, the context {self._context:,}; set context_tokens higher"
            return failed(ErrorClass.TOO_LARGE, why, intended_s=intended_s, now_s=time.monotonic())
        stamps: list[float] = []
        logprobs: list[float] = []
        chosen: list[int] = []
        text, stop = "", StopReason.LENGTH if room >= settings.max_output_tokens else StopReason.CONTEXT
        for token, logprob in self._decode(tokens, settings, min(room, settings.max_output_tokens)):
            if token in self._ends():
                stop = StopReason.STOP
                break
            stamps.append(time.monotonic())
            chosen.append(token)
            logprobs.append(logprob)
            text = self._tokenizer.decode(chosen, skip_special_tokens=True)
            cut = [text.index(word) for word in settings.stop if word in text]
            if cut:
                text, stop = text[: min(cut)], StopReason.STOP
                break
        return Completion(
            text=text,
            stop_reason=stop,
            timing=Timing(
                started_s=started - intended_s,
                ttft_s=stamps[0] - intended_s if stamps else None,
                total_s=time.monotonic() - intended_s,
                gaps_s=tuple(map(float.__sub__, stamps[1:], stamps)),
            ),
            input_tokens=tokens.shape[1],
            output_tokens=len(chosen),
            counted_tokens=len(stamps),
            logprobs=tuple(logprobs),
        )

    def _encode(self, request: Request) -> Any:
        if request.settings.chat and self._tokenizer.chat_template:
            turns = [{"role": message.role, "content": message.content} for message in request.messages]
            told = self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        else:
            told = self._tokenizer(bare_prompt(request.messages), return_tensors="pt")
        return told["input_ids"].to(self._model.device)

    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends, self._tokenizer.eos_token_id}

    def _decode(self, tokens: Any, settings: Settings, most: int) -> Iterator[tuple[int, float]]:
        """Yield each chosen token with its log-probability; the cache is kept between tokens."""
        import torch

        generator = torch.Generator(device=self._model.device).manual_seed(settings.seed)
        cache = None
        with torch.inference_mode():
            for _ in range(most):
                out = self._model(input_ids=tokens, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                told = torch.log_softmax(out.logits[0, -1].float(), dim=-1)
                choice = _choose(told, settings, generator)
                yield choice, float(told[choice])
                tokens = torch.tensor([[choice]], device=self._model.device)

    def peak_memory_bytes(self) -> int | None:
        """Return this process's peak resident memory: the model shares it with sizewise."""
        import os

        return peak_resident_bytes(os.getpid())

    async def close(self) -> None:
        """Drop the model and empty the GPU's cache."""
        self._model = self._tokenizer = None
        with contextlib.suppress(ImportError):
            import torch

            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _choose(logprobs: Any, settings: Settings, generator: Any) -> int:
    """Return the next token: the likeliest, or one drawn from the nucleus at the set temperature."""
    import torch

    if settings.temperature <= 0:
        return int(torch.argmax(logprobs))
    ordered, index = torch.sort(torch.softmax(logprobs / settings.temperature, dim=-1), descending=True)
    ordered = ordered.masked_fill(torch.cumsum(ordered, dim=-1) - ordered >= settings.top_p, 0.0)
    return int(index[torch.multinomial(ordered, 1, generator=generator)])
