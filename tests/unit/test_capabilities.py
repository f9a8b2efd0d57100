"""What a model lacks is refused by its facts, in words that name it."""

import msgspec
import pytest

from mlx_gui.core.capabilities import check_capability
from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.core.model import Capability, Model
from tests.unit.control.fakes import FACTS, model


def able_to(*capabilities: Capability) -> Model:
    return msgspec.structs.replace(
        model("org/one"), facts=msgspec.structs.replace(FACTS, capabilities=capabilities)
    )


@pytest.mark.parametrize("needs", ["chat", "completion"])
def test_a_model_that_continues_texts_reads_conversations_too(needs: Capability) -> None:
    check_capability(able_to("completion"), needs)


def test_a_refusal_names_the_model_what_it_lacks_and_what_it_can() -> None:
    with pytest.raises(CapabilityMissing) as refusal:
        check_capability(able_to("tools", "thinking"), "chat")
    assert refusal.value.message == (
        "org/one cannot answer a conversation; its capabilities are: tools, thinking."
    )
    assert refusal.value.details == {"capability": "chat", "param": "model"}


def test_a_gap_is_refused_by_the_name_of_its_field() -> None:
    with pytest.raises(CapabilityMissing, match="org/one does not support insert") as refusal:
        check_capability(able_to("chat", "completion"), "fill_in_the_middle")
    assert refusal.value.details["param"] == "suffix"


def test_a_model_that_cannot_be_served_at_all_is_not_judged_by_its_capabilities() -> None:
    check_capability(msgspec.structs.replace(able_to(), problem="It is broken."), "chat")
    check_capability(msgspec.structs.replace(able_to(), facts=None), "chat")
