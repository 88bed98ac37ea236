"""From logits to the next token, in C: one chain of samplers for each request. Knows no sequence."""

import ctypes
import math
import secrets
from collections.abc import Iterable
from functools import lru_cache

from engine.inference.context import Context
from engine.inference.llama import LlamaError, api, first_error, forget_errors
from engine.inference.model import Model
from engine.inference.wire import Sampling

_PENALTY_LAST_TOKENS = 64


class Sampler:
    """One request's sampler chain, with its grammar when it has one. Freed with `close`."""

    def __init__(self, model: Model, sampling: Sampling, grammar: str | None) -> None:
        """Raises LlamaError when the grammar does not compile."""
        seed = sampling.seed if sampling.seed is not None else secrets.randbits(32)
        self._strict: object | None = None
        self._grammar: object | None = None
        if grammar is not None:
            self._grammar = api.llama_sampler_clone(_compiled(model, grammar))
            self._strict = _chain([self._grammar, *_stages(model, sampling, seed)])
        self._free = _chain(_stages(model, sampling, seed))

    def sample(self, context: Context, row: int) -> int:
        """The next token after `row` of the last step.

        A grammar that looks first walks the whole vocabulary. Most tokens pass, so the free choice is tested first.
        """
        token = int(api.llama_sampler_sample(self._free, context.handle, row))
        if self._strict is None:
            return token
        if self._allows(token):
            api.llama_sampler_accept(self._strict, token)
            return token
        return int(api.llama_sampler_sample(self._strict, context.handle, row))

    def _allows(self, token: int) -> bool:
        candidate = (api.llama_token_data * 1)(api.llama_token_data(token, 1.0, 0.0))
        candidates = api.llama_token_data_array(candidate, 1, -1, False)
        api.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return bool(candidate[0].logit > -math.inf)

    def close(self) -> None:
        api.llama_sampler_free(self._free)
        if self._strict is not None:
            api.llama_sampler_free(self._strict)  # owns the grammar


@lru_cache(maxsize=64)
def _compiled(model: Model, grammar: str) -> object:
    """Compiled when it is first needed, once for all requests of a skill: each gets a copy."""
    forget_errors()
    compiled = api.llama_sampler_init_grammar(model.vocabulary, grammar.encode(), b"root")
    if not compiled:
        raise LlamaError(first_error("the grammar does not compile"))
    return compiled


def _chain(stages: Iterable[object]) -> object:
    params = api.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = api.llama_sampler_chain_init(params)
    for stage in stages:
        api.llama_sampler_chain_add(chain, stage)
    return chain


def _stages(model: Model, sampling: Sampling, seed: int) -> list[object]:
    stages: list[object] = []
    if sampling.repeat_penalty != 1.0:
        penalty = sampling.repeat_penalty
        stages.append(
            api.llama_sampler_init_penalties(model.num_vocabulary, _PENALTY_LAST_TOKENS, penalty, 0.0, 0.0)
        )
    if sampling.temperature <= 0:
        return [*stages, api.llama_sampler_init_greedy()]
    # top-k comes first: the others sort what it leaves, and sorting a whole vocabulary takes 10 ms.
    return [
        *stages,
        api.llama_sampler_init_top_k(sampling.top_k),
        api.llama_sampler_init_top_p(sampling.top_p, 1),
        api.llama_sampler_init_min_p(sampling.min_p, 1),
        api.llama_sampler_init_temp(sampling.temperature),
        api.llama_sampler_init_dist(seed & 0xFFFFFFFF),
    ]
