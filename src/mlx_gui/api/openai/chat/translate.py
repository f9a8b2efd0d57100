"""OpenAI's chat JSON → core, nothing else."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mlx_gui.api.openai.chat.messages import Conversation
from mlx_gui.api.openai.chat.tools import tools_and_choice
from mlx_gui.api.openai.chat.wire import ChatCompletionRequest, ChatMessage, PromptFields
from mlx_gui.api.openai.translate import with_generation
from mlx_gui.api.pictures import Shown
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import GenerateRequest, Reasoning


def to_core(body: ChatCompletionRequest, *, shown: Shown) -> GenerateRequest:
    """The canonical request; what is left out of it is noted.

    Raises InvalidRequest, CapabilityMissing for what the user shows now and the model cannot take,
    and what `Shown.picture` raises.
    """
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequest(
            "`top_logprobs` is only allowed with `logprobs`.",
            hint="Set `logprobs` to true or leave `top_logprobs` out.",
            param="top_logprobs",
        )
    if body.include_reasoning is not None and body.reasoning_format is not None:
        raise InvalidRequest(
            "`include_reasoning` and `reasoning_format` exclude each other.",
            hint="Send `reasoning_format`: parsed, raw or hidden.",
            param="include_reasoning",
        )
    if "audio" in (body.modalities or ()):
        raise CapabilityMissing(
            "This model writes text only, but `modalities` asks for audio.",
            hint="Leave `modalities` out.",
            param="modalities",
        )
    prompt = prompt_of(body, body.messages, shown=shown)
    raw = body.reasoning_format == "raw"
    request = msgspec.structs.replace(
        prompt,
        reasoning=msgspec.structs.replace(prompt.reasoning, raw=raw),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )
    max_tokens = body.max_completion_tokens or body.max_tokens
    return with_generation(request, body, max_tokens=max_tokens)


def prompt_of(
    body: PromptFields, messages: Sequence[ChatMessage], *, shown: Shown
) -> GenerateRequest:
    """A request that has what its prompt is made of, and nothing about its answer yet."""
    if body.continue_final_message and messages[-1].role != "assistant":
        raise InvalidRequest(
            f"`continue_final_message` needs a last message of the role assistant, "
            f"not {messages[-1].role}.",
            hint="End the messages with the beginning of the answer.",
            param="continue_final_message",
        )
    tools, choice = tools_and_choice(body)
    template_arguments = body.chat_template_kwargs or {}
    return GenerateRequest(
        messages=Conversation(shown).messages(messages),
        tools=tools,
        tool_choice=choice,
        reasoning=_reasoning(body, template_arguments),
        continue_final=body.continue_final_message or False,
        truncate=body.truncate_prompt,
        template=body.chat_template,
        template_arguments=template_arguments,
    )


def _reasoning(body: PromptFields, template_arguments: dict[str, Any]) -> Reasoning:
    """`enable_thinking` counts among the template's arguments as well; an effort asks for it."""
    effort = body.reasoning_effort
    enabled = body.enable_thinking
    if enabled and effort == "none":
        raise InvalidRequest(
            "`enable_thinking` is true, but `reasoning_effort` is none.",
            hint="Send one of the two.",
            param="reasoning_effort",
        )
    if enabled is None:
        asked = template_arguments.get("enable_thinking")
        enabled = asked if isinstance(asked, bool) else None
    if enabled is None and effort is not None:
        enabled = effort != "none"
    return Reasoning(enabled, effort, body.thinking_budget)
