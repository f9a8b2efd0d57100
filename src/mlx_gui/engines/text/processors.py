"""What stands between a sequence's logits and its sampler, in one piece that cannot hurt others."""

from collections.abc import Sequence

import mlx.core as mx

from mlx_gui.core.errors import InternalError, MlxGuiError
from mlx_gui.engines.text.decoding import Processor
from mlx_gui.engines.text.grammar import CompiledGrammar
from mlx_gui.engines.text.penalties import CountPenalty, LogitBias, RepetitionPenalty
from mlx_gui.engines.text.sampling import Choice
from mlx_gui.engines.text.thought import Thought, ThoughtBudget

_FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class GuardedProcessors:
    """Runs processors in order. The first error ends them, and not the batch.

    `error` is then set, and the sequence has to be ended by who drives the batch; until that is
    done its logits pass unchanged.
    """

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = processors
        self.error: MlxGuiError | None = None

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        if self.error is not None:
            return logits
        changed = logits
        try:
            for process in self._processors:
                changed = process(context, changed)
        except MlxGuiError as error:
            self.error = error
        except _FAULTS as error:
            self.error = InternalError(f"A logits processor failed: {error}")
        return logits if self.error is not None else changed


def make_processors(
    choice: Choice,
    prompt: Sequence[int],
    *,
    thought: Thought | None = None,
    budget_tokens: int | None = None,
    grammar: CompiledGrammar | None = None,
) -> GuardedProcessors | None:
    """The processors of one sequence; None where nothing is asked for.

    `thought` belongs to a model that thinks, and to this sequence alone. `budget_tokens` ends a
    thought after so many tokens; 0 at once, which is how to ask a model not to think whose
    template cannot say so. The grammar comes last: nothing may allow what it forbids.
    """
    processors: list[Processor] = []
    if choice.repetition_penalty != 1:
        processors.append(RepetitionPenalty(choice.repetition_penalty, prompt))
    if choice.presence_penalty or choice.frequency_penalty:
        processors.append(
            CountPenalty(presence=choice.presence_penalty, frequency=choice.frequency_penalty)
        )
    if choice.logit_bias:
        processors.append(LogitBias(choice.logit_bias))
    if thought is not None and budget_tokens is not None:
        processors.append(ThoughtBudget(thought, budget_tokens))
    if grammar is not None:
        processors.append(grammar.start(thought))
    return GuardedProcessors(processors) if processors else None
