"""Read a model's configuration and weight headers from the Hugging Face hub, by range requests: kilobytes, no weights.

Importing this needs `huggingface_hub` (the `hub` extra). Not covered: gated models without a token in the environment.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from sizewise.errors import ModelError
from sizewise.models.files import config_model, read_config
from sizewise.records import Model


def read_hub_model(reference: str, endpoint: str | None = None) -> Model:
    """Return a hub model's record: counts from its configuration, stored bytes from its safetensors headers."""
    try:
        path = Path(hf_hub_download(reference, "config.json", endpoint=endpoint))
        model = config_model(read_config(path), reference)
        metadata = HfApi(endpoint=endpoint).get_safetensors_metadata(reference)
    except (HfHubHTTPError, OSError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{reference!r} is not in the catalog, and the hub did not answer: {type(error).__name__}. "
            f"Check the name and the network, or give the path of a file."
        ) from error
    stored: dict[str, int] = {}
    for file in metadata.files_metadata.values():
        for tensor in file.tensors.values():
            start, end = tensor.data_offsets
            stored[tensor.dtype] = stored.get(tensor.dtype, 0) + end - start
    return replace(
        model,
        tensor_bytes=stored,
        published_parameters=sum(metadata.parameter_count.values()),
        sources={**model.sources, "tensor_bytes": "safetensors headers on the hub"},
    )
