"""The line that `run` says now and then: numbers of this minute alone, and silence when nothing is new."""

import asyncio
from pathlib import Path

from bots.status_line import PAUSE_SECONDS, StatusLine, say_work
from engine.inference import FailureCode, Status
from tests import virtual_time
from tests.bots.test_metrics import Told, ask
from tests.engine.test_engine_deadlines import open_engine as open_timed_engine
from tests.fakes import Failure, FakeInference, make_message, open_engine, scope_of


async def test_an_idle_bot_says_nothing(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        lines = StatusLine(engine)
        assert [lines.next(), lines.next()] == ["", ""]


async def test_each_line_has_what_is_new_and_no_line_says_the_same_twice(tmp_path: Path) -> None:
    model = Told(num_slots=1)
    model.script(Failure(FailureCode.BAD_LOGITS), "fine")
    async with open_engine(tmp_path, model) as engine:
        lines = StatusLine(engine)
        for text in ("one", "two", "/nothere"):
            await ask(engine, text)
        model.told = Status(num_completion_tokens=90, step_seconds=2.0)
        said = lines.next()
        assert said.startswith("Nothing being answered, 1 answered, 1 refused, 1 failed, first word after 0.")
        assert said.endswith(", 45 tokens/s.")
        assert lines.next() == ""
        model.gate.close()
        asking = [asyncio.create_task(ask(engine, "three", conversation)) for conversation in "ab"]
        while engine.queue.num_waiting < 1:
            await asyncio.sleep(0)
        assert lines.next() == "1 being answered, 1 in line (oldest 0 s)."
        assert lines.next() == ""
        model.told = Status()  # the process was started anew: that is no speed
        model.gate.open()
        await asyncio.gather(*asking)
        assert lines.next().startswith("Nothing being answered, 2 answered, first word after ")


def test_at_most_one_line_a_minute_is_said() -> None:
    async def main() -> list[str]:
        engine = open_timed_engine(FakeInference())
        said: list[tuple[float, str]] = []
        loop = asyncio.get_running_loop()
        saying = asyncio.create_task(say_work(engine, lambda line: said.append((loop.time(), line))))
        began = loop.time()
        for number in range(100):
            await asyncio.sleep(2)
            async for _ in engine.respond(make_message("one", scope=scope_of(str(number)))):
                pass
        await asyncio.sleep(1000)
        saying.cancel()
        assert [time - began for time, _ in said] == [PAUSE_SECONDS * number for number in (1, 2, 3, 4)]
        return [line for _, line in said]

    lines = virtual_time.run(main())
    assert sum(int(line.split(", ")[1].split()[0]) for line in lines) == 100
