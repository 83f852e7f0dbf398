"""Every runtime holds to the contract, each on a real engine or a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import ClassVar

import pytest

from sizewise.records import Candidate, Settings
from sizewise.runtimes.base import EngineInfo, Runtime
from sizewise.runtimes.ollama import OllamaRuntime
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.opening import open_runtime
from sizewise.runtimes.vllm import VllmRuntime
from sizewise.testing.mock_server import MockPlan, MockProcess
from sizewise.testing.ollama_server import OllamaServer
from sizewise.testing.runtime_contract import RuntimeContract

MODEL = Path(str(resources.files("sizewise.data"))) / "ladder" / "ladder-36k.gguf"


class TestEmbedded(RuntimeContract):
    def runtime(self) -> Runtime:
        return open_runtime(Candidate(name="a", model=str(MODEL), settings=self.settings))


class TestLlamaServer(RuntimeContract):
    def runtime(self) -> Runtime:
        return open_runtime(Candidate(name="a", model=str(MODEL), runtime="llama-server", settings=self.settings))


class TestOpenAI(RuntimeContract):
    knows_context: ClassVar[bool] = False
    tells_logprobs: ClassVar[bool] = False
    sees_memory: ClassVar[bool] = False
    url: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls) -> Iterator[None]:
        with MockProcess(MockPlan(tokens=8, gap_s=0.001)) as server:
            cls.url = server.url
            yield

    def runtime(self) -> Runtime:
        return OpenAIRuntime(self.url, "mock")


class TestCompletions(TestOpenAI):
    settings: ClassVar[Settings] = replace(RuntimeContract.settings, chat=False)


class TestVllm(TestOpenAI):
    def runtime(self) -> Runtime:
        return VllmRuntime("mock", self.settings, url=self.url)


class OllamaHere(OllamaRuntime):
    """Brings its server along, on the same loop."""

    async def start(self) -> EngineInfo:
        self.server = await OllamaServer().__aenter__()
        self.url = self.server.url
        self._client.url = self.server.url
        return await super().start()

    async def close(self) -> None:
        await super().close()
        if hasattr(self, "server"):
            assert self.server.loaded == {}
            await self.server.__aexit__(None, None, None)
            del self.server


class TestOllama(RuntimeContract):
    knows_context: ClassVar[bool] = False
    tells_logprobs: ClassVar[bool] = False

    def runtime(self) -> Runtime:
        return OllamaHere("tiny", self.settings)
