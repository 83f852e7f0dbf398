"""Finding passages: BM25, and cosine of embeddings where an embedder is given. Pure.

BM25 after Robertson and Zaragoza (2009), with Lucene's idf, which is never negative: ln(1 + (N - n + 0.5)/(n + 0.5)).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from sizewise.tasks.scorers.similarity import Embed, cosine

Retriever = Callable[[str, Sequence[str], int], list[int]]
"""(query, passages, how many) -> indices of the best passages, best first."""

_WORD = re.compile(r"\w+")


def tokenize(text: str) -> list[str]:
    """Return lower-case words, a possessive or plural s cut off.

    >>> tokenize("The town's Rivers")
    ['the', 'town', 's', 'river']
    """
    found = _WORD.findall(text.casefold())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


def bm25_scores(query: str, passages: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> list[float]:
    """Return the BM25 score of every passage for a query.

    >>> scores = bm25_scores("red fox", ["a red fox", "a blue whale"])
    >>> scores[0] > scores[1] == 0.0
    True
    """
    bags = [Counter(tokenize(passage)) for passage in passages]
    lengths = [sum(bag.values()) for bag in bags]
    mean = sum(lengths) / len(lengths) if lengths else 1.0
    scores = [0.0] * len(passages)
    for term in set(tokenize(query)):
        holding = sum(term in bag for bag in bags)
        if not holding:
            continue
        idf = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
        for index, bag in enumerate(bags):
            if frequency := bag[term]:
                norm = k1 * (1 - b + b * lengths[index] / (mean or 1.0))
                scores[index] += idf * frequency * (k1 + 1) / (frequency + norm)
    return scores


def _best(scores: Sequence[float], count: int) -> list[int]:
    """Return the indices of the highest scores, ties in order."""
    return sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:count]


def bm25(query: str, passages: Sequence[str], count: int) -> list[int]:
    """Return the indices of the `count` best passages by BM25, best first.

    >>> bm25("fox", ["a whale", "a fox"], 1)
    [1]
    """
    return _best(bm25_scores(query, passages), count)


def embedding_retriever(embed: Embed) -> Retriever:
    """Return a retriever by cosine of embeddings (`scorers.similarity.transformers_embed` gives an embedder)."""

    def retrieve(query: str, passages: Sequence[str], count: int) -> list[int]:
        first, *rest = embed([query, *passages])
        return _best([cosine(first, other) for other in rest], count)

    return retrieve
