"""A whole answer out of a stream of any inference."""

from engine.inference import Finished, Inference, Request


async def whole(inference: Inference, asked: Request) -> tuple[str, Finished]:
    text = ""
    async for event in inference.stream(asked):
        if isinstance(event, Finished):
            return text, event
        text += event.text
    raise AssertionError("a stream ended without a finish reason")
