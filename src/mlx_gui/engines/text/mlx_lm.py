"""mlx-lm, imported without the harm that its import does.

`mlx_lm.utils` sets the limits on open files to 2048 and 4096: it would lower a higher hard limit
for good, and it fails where the hard limit is below that.
"""

import resource
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def _open_file_limits_kept() -> Generator[None]:
    setrlimit = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        yield
    finally:
        resource.setrlimit = setrlimit


with _open_file_limits_kept():
    from mlx_lm.generate import (
        StopSequences,
        generate_step,
        maybe_quantize_kv_cache,
        speculative_generate_step,
    )
    from mlx_lm.models import gemma3n
    from mlx_lm.models.cache import (
        BatchKVCache,
        KVCache,
        RotatingKVCache,
        TokenBuffer,
        can_trim_prompt_cache,
        make_prompt_cache,
        trim_prompt_cache,
    )
    from mlx_lm.models.mla import MultiLinear, QuantizedMultiLinear
    from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
    from mlx_lm.tokenizer_utils import TokenizerWrapper
    from mlx_lm.utils import (
        MODEL_REMAPPING,
        load_adapters,
        load_model,
        load_tokenizer,
        quantize_model,
        save_config,
        save_model,
    )
    from mlx_lm.utils import (
        _get_classes as model_classes,
    )

__all__ = [
    "MODEL_REMAPPING",
    "BatchKVCache",
    "KVCache",
    "MultiLinear",
    "QuantizedMultiLinear",
    "QuantizedSwitchLinear",
    "RotatingKVCache",
    "StopSequences",
    "SwitchLinear",
    "TokenBuffer",
    "TokenizerWrapper",
    "can_trim_prompt_cache",
    "gemma3n",
    "generate_step",
    "load_adapters",
    "load_model",
    "load_tokenizer",
    "make_prompt_cache",
    "maybe_quantize_kv_cache",
    "model_classes",
    "quantize_model",
    "save_config",
    "save_model",
    "speculative_generate_step",
    "trim_prompt_cache",
]
