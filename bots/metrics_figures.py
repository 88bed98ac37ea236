"""Which figures there are: each one's name, its sentence and where it comes from. Counts nothing itself."""

import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from bots import __version__
from bots.loopwatch import LoopWatch
from bots.metrics_text import Family, Sample, counter, gauge, histogram
from engine import Engine, Histogram
from engine.inference import Status

_LLAMA = version("llama-cpp-python")


class Figures:
    """What a running Understudy tells of itself. `places` says by name which of them still run; its owner keeps it true.

    `reasons` says by name why a place has ended, `loop` how late the event loop is.
    """

    def __init__(
        self,
        engine: Engine,
        model_name: str,
        places: Mapping[str, bool],
        *,
        reasons: Mapping[str, str] | None = None,
        loop: LoopWatch | None = None,
    ) -> None:
        self._engine, self._places = engine, places
        self._reasons = {} if reasons is None else reasons
        self._loop = loop or LoopWatch()
        self._model_name = Path(model_name).name  # never a path of this machine
        self._rising = _Rising()
        self._started_at = time.monotonic()

    @property
    def places(self) -> Mapping[str, bool]:
        return self._places

    @property
    def reasons(self) -> Mapping[str, str]:
        """Of the places that have ended."""
        return {name: self._reasons.get(name, "") for name, is_up in self._places.items() if not is_up}

    @property
    def is_engine_up(self) -> bool:
        return self._engine.inference.is_up

    @property
    def is_well(self) -> bool:
        """The model is loaded, no place has ended, what comes in can be kept, and the bot is not about to end."""
        is_up = self.is_engine_up and self.is_database_up and all(self._places.values())
        return is_up and not self.is_leaving

    @property
    def is_leaving(self) -> bool:
        return self._engine.is_leaving

    @property
    def is_database_up(self) -> bool:
        """False while nothing can be written: the disk is full, say."""
        return not self._engine.store.trouble

    def families(self) -> Iterator[Family]:
        """Everything, as it is now."""
        yield from self._about()
        yield from self._line()
        yield from self._answers()
        yield from self._tokens()
        status = self._engine.inference.status
        yield from self._memory(status)
        yield from self._work(status)

    def _about(self) -> Iterator[Family]:
        build = {
            "version": __version__,
            "model": self._model_name,
            "backend": self._engine.inference.info.backend,
            "llama_cpp_python": _LLAMA,
        }
        yield gauge("understudy_build_info", "What is running; always 1.", Sample(1, build))
        uptime = time.monotonic() - self._started_at
        yield gauge("understudy_uptime_seconds", "Since the engine was opened.", Sample(uptime))
        up = Sample(int(self.is_engine_up))
        yield gauge("understudy_engine_up", "1 while the model is loaded, 0 while it is started again.", up)
        restarts = Sample(self._engine.inference.num_restarts)
        yield counter(
            "understudy_engine_restarts_total", "How often the model's process was started again.", restarts
        )
        hangs = Sample(self._engine.inference.num_hangs)
        yield counter(
            "understudy_engine_hangs_total", "How often it was killed because it did not answer.", hangs
        )
        kept = Sample(int(self.is_database_up))
        yield gauge(
            "understudy_database_up", "1 while what comes in can be kept, 0 on a full disk, say.", kept
        )
        places = (Sample(int(is_up), {"place": name}) for name, is_up in self._places.items())
        yield gauge("understudy_place_up", "1 while a place is served, 0 once it has ended.", *places)
        yield counter(
            "understudy_closed_total",
            "Answers given up because the bot may not write where they belong.",
            *(
                Sample(count, {"place": place, "cause": cause})
                for (place, cause), count in self._engine.meter.closed.items()
            ),
        )
        lag = Sample(self._loop.lag_seconds)
        yield gauge("understudy_loop_lag_seconds", "How late the event loop was, at most, in a minute.", lag)
        about = "How late the event loop was, ten times a second."
        yield _seconds("understudy_loop_beat_lag_seconds", about, self._loop.beats)

    def _line(self) -> Iterator[Family]:
        queue = self._engine.queue
        yield gauge(
            "understudy_queue_length",
            "Messages in line.",
            Sample(queue.num_waiting, {"of": "people"}),
            Sample(queue.num_waiting_background, {"of": "background"}),
        )
        oldest = Sample(queue.oldest_wait_seconds)
        yield gauge("understudy_queue_oldest_wait_seconds", "How long the oldest of people waits.", oldest)
        yield gauge(
            "understudy_pressure",
            "What is left out for all that is to do: 0 nothing, 1 drafts, 2 long texts, 3 background, 4 new messages, 5 writing.",
            Sample(int(self._engine.pressure)),
        )
        yield gauge("understudy_running", "Answers being written.", Sample(queue.num_running))
        yield gauge("understudy_slots", "Answers that can be written at a time.", Sample(queue.num_slots))

    def _answers(self) -> Iterator[Family]:
        meter = self._engine.meter
        yield counter(
            "understudy_answers_total",
            "Messages by skill and by how their answer ended.",
            *(
                Sample(count, {"skill": skill, "outcome": end.outcome, "reason": end.reason})
                for (skill, end), count in meter.ends.items()
            ),
        )
        yield _seconds("understudy_wait_seconds", "In line, of those whose turn came.", meter.wait)
        yield _seconds(
            "understudy_first_token_seconds", "From the turn to the first word.", meter.first_token
        )
        yield _seconds(
            "understudy_answer_seconds", "From the turn to the end of whole answers.", meter.answer
        )

    def _tokens(self) -> Iterator[Family]:
        tokens = self._engine.meter.tokens.items()
        yield counter(
            "understudy_prompt_tokens_total",
            "Tokens in: of the prompts of answers that ended by themselves.",
            *(Sample(one.num_prompt_tokens, {"skill": skill}) for skill, one in tokens),
        )
        yield counter(
            "understudy_cached_tokens_total",
            "Tokens of those prompts that need not be computed.",
            *(Sample(one.num_cached_tokens, {"skill": skill}) for skill, one in tokens),
        )
        yield counter(
            "understudy_completion_tokens_total",
            "Tokens out.",
            *(Sample(one.num_completion_tokens, {"skill": skill}) for skill, one in tokens),
        )

    def _memory(self, status: Status) -> Iterator[Family]:
        info = self._engine.inference.info
        capacity = Sample(info.num_slots * info.context_tokens)
        yield gauge("understudy_kv_tokens", "Tokens in the KV cache's slots.", Sample(status.num_slot_tokens))
        yield gauge("understudy_kv_max_tokens", "Tokens that all slots hold together.", capacity)
        yield gauge("understudy_kv_bytes", "What the KV cache takes, full or not.", Sample(info.cache_bytes))
        yield gauge(
            "understudy_states",
            "States of skills and conversations kept in RAM.",
            Sample(max(0, status.num_states - status.num_retained), {"of": "skills"}),
            Sample(status.num_retained, {"of": "conversations"}),
        )
        yield gauge("understudy_state_bytes", "What those states take.", Sample(status.num_state_bytes))
        yield gauge("understudy_state_max_bytes", "What they may take.", Sample(status.max_state_bytes))

    def _work(self, status: Status) -> Iterator[Family]:
        speeds = {
            "prefill": status.prefill_tokens_per_second,
            "decode": status.decode_tokens_per_second,
        }
        for name, speed in speeds.items():
            about = f"Speed of {name}, as measured lately, of one request alone."
            yield gauge(f"understudy_{name}_tokens_per_second", about, Sample(speed))
        for name, (about, value) in _counted(status).items():
            total = f"understudy_{name}_total"
            yield counter(total, about, Sample(self._rising.total(total, value)))


def _counted(status: Status) -> Mapping[str, tuple[str, float]]:
    return {
        "steps": ("Steps of the model, each one llama_decode.", status.num_steps),
        "step_seconds": ("Seconds in steps.", status.step_seconds),
        "decode_seconds": ("Seconds of those in llama_decode.", status.decode_seconds),
        "sample_seconds": ("Seconds of those in choosing tokens.", status.sample_seconds),
        "engine_prompt_tokens": ("Prompt tokens computed, for whatever it was.", status.num_prompt_tokens),
        "engine_cached_tokens": ("Prompt tokens taken from states.", status.num_cached_tokens),
        "engine_completion_tokens": ("Tokens of whole completions.", status.num_completion_tokens),
        "drafted_tokens": ("Tokens guessed from the prompt.", status.num_drafted_tokens),
        "accepted_tokens": ("Guessed tokens that came true.", status.num_accepted_tokens),
        "bad_logits": ("Answers ended because the model computed no numbers (NaN).", status.num_bad_logits),
        "prefix_files_loaded": ("Saved prefixes of skills that were read.", status.num_files_loaded),
        "prefix_files_refused": ("Saved prefixes that did not match.", status.num_files_refused),
    }


def _seconds(name: str, about: str, spans: Histogram) -> Family:
    return histogram(name, about, spans.bounds, spans.counts, spans.sum_seconds)


class _Rising:
    """Counters of a process that may be started anew: what it counted before stays counted."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}
        self._newest: dict[str, float] = {}

    def total(self, name: str, value: float) -> float:
        newest = self._newest.get(name, 0)
        if value < newest:  # it began at nothing again
            self._before[name] = self._before.get(name, 0) + newest
        self._newest[name] = value
        return self._before.get(name, 0) + value
