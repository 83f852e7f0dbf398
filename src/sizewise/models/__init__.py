"""WHAT could run: readers, architecture to parameter counts, quantization formats, the offline catalog."""
