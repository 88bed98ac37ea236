"""From token bytes to text, step by step: whole characters only, and nothing of a stop string. Knows no tokens."""

import codecs


class TextStream:
    """Takes bytes as they are generated, gives text as soon as it is certain."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.is_stopped = False

    def push(self, data: bytes) -> str:
        """The text that is now certain. After a stop string nothing more comes."""
        if self.is_stopped:
            return ""
        return self._certain(self._held + self._decoder.decode(data))

    def finish(self) -> str:
        """The rest, when no more bytes come."""
        if self.is_stopped:
            return ""
        rest = self._certain(self._held + self._decoder.decode(b"", final=True))
        rest, self._held = rest + self._held, ""
        return rest

    def _certain(self, text: str) -> str:
        ends = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if ends:
            self.is_stopped, self._held = True, ""
            return text[: min(ends)]
        kept = self._num_held_back(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def _num_held_back(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        longest = min(len(text), max((len(stop) - 1 for stop in self._stop), default=0))
        for length in range(longest, 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stop):
                return length
        return 0
