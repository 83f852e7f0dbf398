"""HOW a candidate runs (plug): embedded llama.cpp, any OpenAI-compatible URL, Ollama, vLLM, transformers.

Does not cover: scoring, storing, or deciding which request comes next.
"""
