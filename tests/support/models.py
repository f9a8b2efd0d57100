"""Facts and specs of made up text models, other than some that a test has."""

from typing import Any

import msgspec

from mlx_gui.core.model import LoadSpec, ModelFacts, TextFacts, TextOptions


def changed_facts(facts: ModelFacts, **changes: Any) -> ModelFacts:
    """`facts` with other values, of the model or of what only a text model has."""
    assert facts.text is not None
    own = {name: changes.pop(name) for name in TextFacts.__struct_fields__ if name in changes}
    return msgspec.structs.replace(facts, own=msgspec.structs.replace(facts.text, **own), **changes)


def changed_spec(spec: LoadSpec, **changes: Any) -> LoadSpec:
    """`spec` with other values, of the load or of a text model's options; `text` is all of them."""
    options = changes.pop("text", spec.text)
    own = {name: changes.pop(name) for name in TextOptions.__struct_fields__ if name in changes}
    return msgspec.structs.replace(spec, options=msgspec.structs.replace(options, **own), **changes)
