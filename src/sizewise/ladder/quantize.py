"""Block quantization of matrices, by numpy, in ggml's formats with blocks of 32 values.

Each function takes rows (n, width) with width divisible by 32 and returns the bytes of the file. Formats and
rounding follow ggml's reference quantizers (ggml-quants.c). Not covered: the formats with blocks of 256, which
widths below 256 cannot use (`engine_quantize.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
Packed = npt.NDArray[np.uint8]

BLOCK = 32


def _blocks(rows: Rows) -> Rows:
    return np.ascontiguousarray(rows, dtype=np.float32).reshape(-1, BLOCK)


def _half(values: npt.NDArray[np.float32]) -> Packed:
    return values.astype("<f2").view(np.uint8).reshape(len(values), 2)


def _inverse(scale: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale != 0)


def _nibbles(codes: Packed) -> Packed:
    return (codes[:, : BLOCK // 2] | (codes[:, BLOCK // 2 :] << 4)).astype(np.uint8)


def _fifth_bits(codes: Packed) -> Packed:
    return np.packbits((codes >> 4) & 1, axis=1, bitorder="little")


def _signed_scale(blocks: Rows, steps: int) -> npt.NDArray[np.float32]:
    """Return per block the value of largest size divided by minus `steps`."""
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale: npt.NDArray[np.float32] = largest / np.float32(-steps)
    return scale


def f32(rows: Rows) -> bytes:
    """Return 4 bytes a value."""
    return rows.astype("<f4").tobytes()


def f16(rows: Rows) -> bytes:
    """Return 2 bytes a value."""
    return rows.astype("<f2").tobytes()


def q8_0(rows: Rows) -> bytes:
    """Return 8.5 bits a value: a scale and 32 signed bytes.

    >>> len(q8_0(np.ones((2, 64), np.float32)))
    136
    """
    blocks = _blocks(rows)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    scaled = blocks * _inverse(scale)
    codes = (np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)).astype(np.int8)
    return np.hstack([_half(scale), codes.view(np.uint8)]).tobytes()


def q4_0(rows: Rows) -> bytes:
    """Return 4.5 bits a value: a scale and 32 codes of 4 bits around 8."""
    blocks = _blocks(rows)
    scale = _signed_scale(blocks, 8)
    codes = np.minimum((blocks * _inverse(scale) + 8.5).astype(np.uint8), np.uint8(15))
    return np.hstack([_half(scale), _nibbles(codes)]).tobytes()


def q5_0(rows: Rows) -> bytes:
    """Return 5.5 bits a value: a scale and 32 codes of 5 bits around 16."""
    blocks = _blocks(rows)
    scale = _signed_scale(blocks, 16)
    codes = np.minimum((blocks * _inverse(scale) + 16.5).astype(np.uint8), np.uint8(31))
    return np.hstack([_half(scale), _fifth_bits(codes), _nibbles(codes & np.uint8(15))]).tobytes()


def _affine(blocks: Rows, steps: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Packed]:
    low = blocks.min(axis=1, keepdims=True)
    scale = (blocks.max(axis=1, keepdims=True) - low) / np.float32(steps)
    codes = np.minimum(steps, ((blocks - low) * _inverse(scale) + 0.5).astype(np.uint8)).astype(np.uint8)
    return scale, low, codes


def q4_1(rows: Rows) -> bytes:
    """Return 5 bits a value: a scale, a minimum and 32 codes of 4 bits."""
    scale, low, codes = _affine(_blocks(rows), 15)
    return np.hstack([_half(scale), _half(low), _nibbles(codes)]).tobytes()


def q5_1(rows: Rows) -> bytes:
    """Return 6 bits a value: a scale, a minimum and 32 codes of 5 bits."""
    scale, low, codes = _affine(_blocks(rows), 31)
    return np.hstack([_half(scale), _half(low), _fifth_bits(codes), _nibbles(codes & np.uint8(15))]).tobytes()


IQ4_LEVELS = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], dtype=np.float32)
"""The 16 uneven levels of IQ4_NL (ggml-common.h)."""


def iq4_nl(rows: Rows) -> bytes:
    """Return 4.5 bits a value: a scale and 32 codes into 16 uneven levels.

    The scale is the best of 15 by weighted squared error.
    """
    blocks = _blocks(rows)
    best_scale, best_error = np.zeros((len(blocks), 1), np.float32), np.full((len(blocks), 1), np.inf, np.float32)
    first = _signed_scale(blocks, 127)
    for step in range(-7, 8):
        inverse = _inverse(first) * np.float32((127 + step) / 127)
        levels = IQ4_LEVELS[_nearest(blocks * inverse)]
        weight = blocks**2
        square = (weight * levels * levels).sum(axis=1, keepdims=True)
        scale = (weight * levels * blocks).sum(axis=1, keepdims=True) * _inverse(square)
        error = (weight * (blocks - scale * levels) ** 2).sum(axis=1, keepdims=True)
        better = error < best_error
        best_scale, best_error = np.where(better, scale, best_scale), np.where(better, error, best_error)
    codes = _nearest(blocks * _inverse(best_scale.astype("<f2").astype(np.float32)))
    return np.hstack([_half(best_scale), _nibbles(codes)]).tobytes()


def _nearest(values: Rows) -> Packed:
    middles = (IQ4_LEVELS[1:] + IQ4_LEVELS[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.uint8)


FORMATS: dict[str, tuple[int, Callable[[Rows], bytes]]] = {
    "F32": (0, f32),
    "F16": (1, f16),
    "Q4_0": (2, q4_0),
    "Q4_1": (3, q4_1),
    "Q5_0": (8, q5_0),
    "Q5_1": (9, q5_1),
    "Q8_0": (7, q8_0),
    "IQ4_NL": (25, iq4_nl),
}
"""Format -> llama.cpp's number of the file type, quantizer."""
