"""What every runtime must hold to: inherit the class in a test module and give it a runtime.

    class TestMyRuntime(RuntimeContract):
        def runtime(self) -> Runtime:
            return MyRuntime("model", self.settings)

Each test starts a runtime of its own and closes it, so `runtime` returns one that is not started. Needs no
plugin of pytest. Does not cover quality, and whether the times are true (`benchmarks/evaluation_ttft.py` does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

from sizewise.records import Completion, ErrorClass, Message, Request, Settings, StopReason
from sizewise.runtimes.base import EngineInfo, Runtime


class RuntimeContract:
    """The tests; `settings`, `model` and `prompt` may be set by the heir, the flags say what its engine can."""

    settings: ClassVar[Settings] = Settings(context_tokens=256, max_output_tokens=16, threads=1, concurrency=4)
    model: ClassVar[str] = "model"
    prompt: ClassVar[str] = "copy abcd\n"
    knows_context: ClassVar[bool] = True
    """A prompt longer than the context is refused, not cut or taken."""
    tells_logprobs: ClassVar[bool] = True
    sees_memory: ClassVar[bool] = True

    def runtime(self) -> Runtime:
        """Return a runtime that is not started."""
        raise NotImplementedError

    def request(self, **changes: object) -> Request:
        """Return the usual request with some settings changed."""
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        return Request(messages=(Message(role="user", content=self.prompt),), settings=settings, model=self.model)

    def use(self, what: Callable[[Runtime, EngineInfo], Awaitable[None]]) -> None:
        """Start a runtime, use it, close it."""

        async def run() -> None:
            runtime = self.runtime()
            info = await runtime.start()
            try:
                await what(runtime, info)
            finally:
                await runtime.close()

        asyncio.run(run())

    def test_start_says_who_answers(self) -> None:
        """`start` gives a name, and a context where one is known."""

        async def check(_: Runtime, info: EngineInfo) -> None:
            assert info.name
            assert info.context_tokens is None or info.context_tokens > 0
            assert all(size >= 0 for size in info.buffers_bytes.values())

        self.use(check)

    def test_an_answer_has_text_tokens_and_times_that_fit_together(self) -> None:
        """Tokens are counted twice, and the times add up."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            completion = await runtime.generate(self.request())
            assert completion.error is None
            assert completion.text
            assert completion.input_tokens
            assert completion.output_tokens
            assert 0 < completion.counted_tokens <= completion.output_tokens
            timing = completion.timing
            assert timing.ttft_s is not None
            assert 0 <= timing.started_s <= timing.ttft_s <= timing.total_s
            assert all(gap >= 0 for gap in timing.gaps_s)
            assert timing.ttft_s + sum(timing.gaps_s) <= timing.total_s + 1e-6
            assert completion.stop_reason in (StopReason.STOP, StopReason.LENGTH)

        self.use(check)

    def test_a_greedy_answer_is_the_same_again(self) -> None:
        """At temperature 0 a repeat gives the same text, also after other prompts."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            first = await runtime.generate(self.request())
            other = Message(role="user", content="something else\n")
            await runtime.generate(replace(self.request(), messages=(other,)))
            again = await runtime.generate(self.request())
            assert first.text == again.text

        self.use(check)

    def test_the_output_limit_holds_and_is_told(self) -> None:
        """One token is one token, and the stop reason is length."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            completion = await runtime.generate(self.request(max_output_tokens=1))
            assert completion.output_tokens == 1
            assert completion.stop_reason is StopReason.LENGTH

        self.use(check)

    def test_a_stop_text_ends_the_answer_before_it(self) -> None:
        """The stop text is not part of the answer."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            whole = await runtime.generate(self.request())
            mark = whole.text[2]
            cut = await runtime.generate(self.request(stop=(mark,)))
            assert cut.text == whole.text.split(mark, 1)[0]

        self.use(check)

    def test_requests_at_the_same_time_are_all_answered(self) -> None:
        """Twelve at once, more than the slots: nothing lost, nothing mixed up."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            alone = await runtime.generate(self.request())
            many = await asyncio.gather(*(runtime.generate(self.request()) for _ in range(12)))
            assert [completion.error for completion in many] == [None] * 12
            assert {completion.text for completion in many} == {alone.text}

        self.use(check)

    def test_a_cancelled_request_leaves_the_runtime_usable(self) -> None:
        """Whoever stops waiting does no harm to the next."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            task = asyncio.create_task(runtime.generate(self.request()))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            completion = await runtime.generate(self.request())
            assert completion.error is None

        self.use(check)

    def test_a_prompt_beyond_the_context_is_an_error_of_that_request(self) -> None:
        """It is refused in words, and the next request is answered."""
        if not self.knows_context:
            return

        async def check(runtime: Runtime, info: EngineInfo) -> None:
            long = Message(role="user", content="too long " * (info.context_tokens or 4096))
            refused: Completion = await runtime.generate(replace(self.request(), messages=(long,)))
            assert refused.error is not None
            assert refused.error.startswith(ErrorClass.TOO_LARGE)
            assert (await runtime.generate(self.request())).error is None

        self.use(check)

    def test_probabilities_are_of_the_chosen_tokens(self) -> None:
        """Log-probabilities are at most 0, one for each token that carried text."""
        if not self.tells_logprobs:
            return

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            completion = await runtime.generate(self.request())
            assert completion.output_tokens is not None
            assert 0 < len(completion.logprobs) <= completion.output_tokens
            assert all(value <= 1e-6 for value in completion.logprobs)

        self.use(check)

    def test_memory_is_seen_where_the_engine_is_ours(self) -> None:
        """The peak is at least a megabyte, or None."""

        async def check(runtime: Runtime, _: EngineInfo) -> None:
            await runtime.generate(self.request())
            peak = runtime.peak_memory_bytes()
            assert peak is None or peak > 2**20
            assert (peak is not None) == self.sees_memory

        self.use(check)

    def test_close_may_be_called_twice_and_before_start(self) -> None:
        """Closing what is closed does nothing."""

        async def run() -> None:
            runtime = self.runtime()
            await runtime.close()
            await runtime.start()
            await runtime.close()
            await runtime.close()

        asyncio.run(run())
