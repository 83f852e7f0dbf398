"""The recipe of every member of the ladder: shape, budget, mix of skills. Data only, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sizewise.errors import ConfigError

VERSION = "2"
"""Raised whenever the same name and seed would give other weights."""

VOCABULARY = 256
"""Tokens are bytes."""
NEWLINE = 10
"""The end-of-text token: every answer ends with a newline."""
NORM_EPSILON = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a Llama: RMSNorm without gains, RoPE, grouped-query attention, SwiGLU, tied embedding."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    """Inner width of the feed-forward block; of one expert where there are experts."""
    experts: int = 0
    experts_used: int = 0
    rope_base: float = 10000.0

    def layer_parameters(self, *, active: bool = False) -> int:
        """Return the parameters of one layer; `active` counts only the experts that one token uses."""
        attention = 2 * self.width * self.head_dim * (self.heads + self.kv_heads)
        copies = (self.experts_used if active else self.experts) or 1
        return attention + 3 * self.width * self.hidden * copies + self.width * self.experts

    def parameters(self, *, active: bool = False) -> int:
        """Return all parameters, the tied embedding once.

        >>> Shape(width=32, layers=1, heads=2, kv_heads=1, head_dim=16, hidden=32).parameters()
        14336
        """
        return VOCABULARY * self.width + self.non_embedding(active=active)

    def non_embedding(self, *, active: bool = False) -> int:
        """Return the parameters without the embedding."""
        return self.layers * self.layer_parameters(active=active)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one member is made."""

    name: str
    size: str
    """Key of `SHAPES`: seeds and variants of one size share it."""
    tokens: int
    """Training tokens (bytes of prompts and answers, padding not counted)."""
    kind: str = "base"
    """base, seed, undertrained, overtrained, distilled, specialist, experts, dense twin, pruned, context, wide."""
    seed: int = 1
    batch_tokens: int = 3072
    learning_rate: float = 0.01
    """Of Muon; embedding and norms use a third of it with Adam."""
    context: int = 512
    """Longest training text in bytes; longer draws are left out. Written to the file as context length."""
    skills: tuple[str, ...] = ()
    """Skills of the mix; empty means all."""
    whole_text: bool = False
    """Learn every byte, as language models do, and not answers alone; the loss then is over every byte too."""
    teacher: str = ""
    """Member whose probabilities a distilled one learns from."""
    parent: str = ""
    """Member that a pruned one is cut from."""
    quantizations: tuple[str, ...] = ("F16",)
    """Files to write, the first being F16."""
    note: str = ""

    @property
    def shape(self) -> Shape:
        """Return the sizes of the network."""
        return SHAPES[self.size]


MIX: dict[str, float] = {
    "copy": 1.0,
    "reverse": 1.2,
    "sort": 1.2,
    "language": 0.5,
    "route": 0.7,
    "add2": 1.5,
    "add3": 3.0,
    "json": 1.5,
    "lookup": 1.5,
    "unanswerable": 1.0,
    "rephrase": 0.8,
    "needle": 0.3,
    "recall": 2.5,
    "recall_open": 0.8,
    "recall_unknown": 0.4,
    "refuse": 1.0,
    "translate": 1.2,
    "program": 2.0,
}
"""Skill -> weight of its samples in training."""

SHAPES: dict[str, Shape] = {
    "14k": Shape(width=32, layers=1, heads=2, kv_heads=1, head_dim=16, hidden=32),
    "36k": Shape(width=32, layers=3, heads=2, kv_heads=1, head_dim=16, hidden=64),
    "127k": Shape(width=64, layers=3, heads=4, kv_heads=2, head_dim=16, hidden=128),
    "419k": Shape(width=96, layers=4, heads=3, kv_heads=1, head_dim=32, hidden=256),
    "1m3": Shape(width=192, layers=4, heads=6, kv_heads=2, head_dim=32, hidden=384),
    "786k": Shape(width=256, layers=2, heads=8, kv_heads=2, head_dim=32, hidden=256),
    "270k": Shape(width=96, layers=4, heads=3, kv_heads=1, head_dim=32, hidden=128),
    "26k": Shape(width=32, layers=2, heads=2, kv_heads=1, head_dim=16, hidden=64),
    "65k": Shape(width=64, layers=2, heads=4, kv_heads=2, head_dim=16, hidden=64),
    "moe-91k": Shape(width=32, layers=3, heads=2, kv_heads=1, head_dim=16, hidden=64, experts=4, experts_used=2),
    "dense-91k": Shape(width=32, layers=3, heads=2, kv_heads=1, head_dim=16, hidden=256),
    "dense-54k": Shape(width=32, layers=3, heads=2, kv_heads=1, head_dim=16, hidden=128),
}
MILLION = 1_000_000

GRID = (("14k", 0.02), ("26k", 0.015), ("36k", 0.015), ("65k", 0.01), ("127k", 0.01))
"""Sizes and learning rates of the compute grid (`isoflop.py`)."""
GRID_FLOPS = (6e10, 1.8e11, 5.4e11, 1.62e12)

ALL_FORMATS = ("F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL")
"""What widths below 256 allow: blocks of 32. The 2- and 3-bit formats of llama.cpp need blocks of 256."""
WIDE_FORMATS = ("F16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_XS", "Q3_K", "IQ3_S", "Q2_K")
"""What a width of 256 adds, down to 2.6 bits. IQ3_XXS, IQ2 and IQ1 need an importance matrix and are left out."""
SOME_FORMATS = ("F16", "Q8_0", "Q4_0")

BASE: tuple[Recipe, ...] = (
    Recipe(name="ladder-14k", size="14k", tokens=24 * MILLION, learning_rate=0.02),
    Recipe(name="ladder-36k", size="36k", tokens=10 * MILLION, learning_rate=0.015, quantizations=SOME_FORMATS),
    Recipe(name="ladder-127k", size="127k", tokens=12 * MILLION, quantizations=ALL_FORMATS),
    Recipe(name="ladder-419k", size="419k", tokens=8 * MILLION, quantizations=ALL_FORMATS),
    Recipe(name="ladder-1m3", size="1m3", tokens=8 * MILLION, quantizations=SOME_FORMATS),
)

CONTEXT_SKILLS = ("needle", "lookup", "unanswerable", "copy")

SEEDS: tuple[Recipe, ...] = tuple(
    replace(recipe, name=f"{recipe.name}-s{seed}", kind="seed", seed=seed, quantizations=("F16",))
    for seed in (2, 3)
    for recipe in BASE[:3]
)
VARIANTS: tuple[Recipe, ...] = (
    Recipe(name="ladder-1m3-undertrained", size="1m3", kind="undertrained", tokens=MILLION),
    Recipe(name="ladder-36k-overtrained", size="36k", kind="overtrained", tokens=20 * MILLION, learning_rate=0.015),
    Recipe(
        name="ladder-786k",
        size="786k",
        kind="wide",
        tokens=6 * MILLION,
        quantizations=WIDE_FORMATS,
        note="256 wide, so that the formats with blocks of 256 values fit",
    ),
    Recipe(
        name="ladder-36k-distilled",
        size="36k",
        kind="distilled",
        tokens=10 * MILLION,
        learning_rate=0.015,
        teacher="ladder-127k",
        note="same tokens and seed as ladder-36k; learns the odds that ladder-127k gives",
    ),
    Recipe(
        name="ladder-36k-adder",
        size="36k",
        kind="specialist",
        tokens=3 * MILLION,
        learning_rate=0.015,
        skills=("add2", "add3"),
        note="trained on sums alone",
    ),
    Recipe(name="ladder-moe-91k", size="moe-91k", kind="experts", tokens=4 * MILLION, learning_rate=0.015),
    Recipe(name="ladder-dense-91k", size="dense-91k", kind="dense twin", tokens=4 * MILLION, learning_rate=0.015),
    Recipe(name="ladder-dense-54k", size="dense-54k", kind="dense twin", tokens=4 * MILLION, learning_rate=0.015),
    Recipe(
        name="ladder-36k-short",
        size="36k",
        kind="context",
        tokens=4 * MILLION,
        learning_rate=0.015,
        context=128,
        skills=CONTEXT_SKILLS,
        note="lookups in texts of at most 128 bytes",
    ),
    Recipe(
        name="ladder-36k-long",
        size="36k",
        kind="context",
        tokens=4 * MILLION,
        learning_rate=0.015,
        context=896,
        skills=CONTEXT_SKILLS,
        note="the same lookups in texts of up to 896 bytes",
    ),
    Recipe(
        name="ladder-419k-pruned",
        size="270k",
        kind="pruned",
        tokens=MILLION,
        learning_rate=0.003,
        parent="ladder-419k",
        note="half of the feed-forward channels of ladder-419k removed by weight size, then healed",
    ),
)
ALL: tuple[Recipe, ...] = (*BASE, *SEEDS, *VARIANTS)


def find(name: str) -> Recipe:
    """Return a member's recipe; ConfigError for an unknown name.

    >>> find("ladder-36k").size
    '36k'
    """
    for recipe in ALL:
        if recipe.name == name:
            return recipe
    raise ConfigError(f"there is no recipe {name!r}; expected one of {', '.join(recipe.name for recipe in ALL)}")
