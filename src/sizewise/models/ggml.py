"""Tensor types of ggml: number in a GGUF file, elements of a block, bytes of a block.

Facts from llama.cpp (`ggml-common.h`) and the `gguf` package 0.19 (`GGML_QUANT_SIZES`), both MIT.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from sizewise.errors import ModelError

TYPES: Mapping[str, tuple[int, int, int]] = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22),
    "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34), "Q8_1": (9, 32, 40), "Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110),
    "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "Q8_K": (15, 256, 292),
    "IQ2_XXS": (16, 256, 66), "IQ2_XS": (17, 256, 74), "IQ3_XXS": (18, 256, 98), "IQ1_S": (19, 256, 50),
    "IQ4_NL": (20, 32, 18), "IQ3_S": (21, 256, 110), "IQ2_S": (22, 256, 82), "IQ4_XS": (23, 256, 136),
    "I8": (24, 1, 1), "I16": (25, 1, 2), "I32": (26, 1, 4), "I64": (27, 1, 8), "F64": (28, 1, 8),
    "IQ1_M": (29, 256, 56), "BF16": (30, 1, 2), "TQ1_0": (34, 256, 54), "TQ2_0": (35, 256, 66),
    "MXFP4": (39, 32, 17), "NVFP4": (40, 64, 36), "Q1_0": (41, 128, 18),
}  # fmt: skip
"""Type -> (number in the file, elements of a block, bytes of a block)."""

NAMES: Mapping[int, str] = {number: name for name, (number, _, _) in TYPES.items()}

FILE_TYPES: Mapping[str, int] = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20,
    "Q2_K_S": 21, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
    "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38, "NVFP4": 39,
    "Q1_0": 40,
}  # fmt: skip
"""File mix -> the number that `general.file_type` holds."""


def tensor_bytes(type_name: str, shape: tuple[int, ...]) -> int:
    """Return the stored bytes of a tensor; its first dimension is cut into blocks.

    >>> tensor_bytes("Q4_K", (4096, 1024))  # 4096 / 256 blocks of 144 bytes, 1024 rows
    2359296
    """
    if type_name not in TYPES:
        raise ModelError(f"unknown ggml tensor type {type_name!r}; known are {', '.join(TYPES)}")
    _, block, size = TYPES[type_name]
    columns = shape[0] if shape else 1
    if columns % block:
        raise ModelError(f"a row of {columns} elements cannot be cut into {type_name} blocks of {block}")
    return columns // block * size * prod(shape[1:])
