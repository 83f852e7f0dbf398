"""Block quantization by llama.cpp itself, for the formats with blocks of 256 values.

The installed engine (xllamacpp) is one shared library that exports ggml's quantizer; it is called through ctypes, so
nothing of the engine is imported or started. Every matrix of a file gets the one format, what llama.cpp calls
"pure". Not covered: the mixes that keep some matrices at more bits (Q3_K_M ...), and IQ3_XXS, IQ2 and IQ1, which
llama.cpp's quantizer refuses without an importance matrix.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sizewise.errors import ModelError
from sizewise.ladder.quantize import Rows
from sizewise.models.ggml import FILE_TYPES, TYPES, tensor_bytes

BLOCK = 256
WIDE: dict[str, int] = {
    name: FILE_TYPES[mix]
    for name, mix in (
        ("Q6_K", "Q6_K"), ("Q5_K", "Q5_K_S"), ("Q4_K", "Q4_K_S"), ("IQ4_XS", "IQ4_XS"), ("Q3_K", "Q3_K_S"),
        ("IQ3_S", "IQ3_S"), ("Q2_K", "Q2_K"),
    )
}  # fmt: skip
"""Format of all matrices -> number of the nearest file type, falling bits: 6.56 down to 2.63 a value."""


def pack(name: str, rows: Rows) -> bytes:
    """Return rows (n, width), width divisible by 256, in a format of `WIDE`.

    Raises ModelError for another width, or where the installed engine does not export its quantizer.

    >>> len(pack("Q2_K", np.ones((2, 256), np.float32)))
    168
    """
    values = np.ascontiguousarray(rows, dtype=np.float32)
    count, width = values.shape
    packed = np.empty(tensor_bytes(name, (width, count)), dtype=np.uint8)
    no_importance = None
    written = _quantizer()(TYPES[name][0], values.ctypes.data, packed.ctypes.data, 0, count, width, no_importance)
    if written != packed.size:
        raise ModelError(f"llama.cpp wrote {written} bytes of {name}; expected {packed.size}. Install xllamacpp again")
    return packed.tobytes()


@cache
def _quantizer() -> ctypes._NamedFuncPointer:
    """Return `ggml_quantize_chunk(type, source, target, start, rows, width, weights) -> bytes written`."""
    found = find_spec("xllamacpp")
    folder = Path(found.origin).parent if found is not None and found.origin else Path()
    for library in (*folder.glob("xllamacpp*.so"), *folder.glob("xllamacpp*.pyd")):
        try:
            function = ctypes.CDLL(str(library)).ggml_quantize_chunk
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_size_t
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        function.argtypes = [ctypes.c_int, pointer, pointer, integer, integer, integer, pointer]
        return function
    raise ModelError(
        "the installed xllamacpp does not export ggml_quantize_chunk; expected its Linux wheel. "
        "Quantize there, or use a format with blocks of 32"
    )
