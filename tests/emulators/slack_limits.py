"""How often Slack lets an app call it: its tiers, counted in every window of a minute. Knows no method's work."""

from collections import Counter, defaultdict, deque

from tests.emulators import slack_spec

CALLS_A_MINUTE = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600, "status": 60}
# The tiers of these are known without the list; what tests need to be enforced does not hang on a file.
KNOWN = {
    "assistant.threads.setStatus": "status",
    "chat.appendStream": "t4",
    "chat.startStream": "t2",
    "chat.stopStream": "t2",
    "chat.update": "t3",
}
# Counted otherwise.
UNCOUNTED = frozenset({"auth.test", "apps.connections.open"})
POSTS_A_MINUTE = 60  # in one channel


class Tiers:
    """`minute_seconds` is Slack's minute; a test may make it shorter. `refused` counts the calls that came too often."""

    def __init__(self, minute_seconds: float = 60.0) -> None:
        self.minute_seconds = minute_seconds
        self.refused: Counter[str] = Counter()
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def is_exceeded_by(self, method: str, channel: str, now: float) -> bool:
        """Counts the call, unless it is one too many."""
        tier = KNOWN.get(method) or slack_spec.tier(method)
        if method in UNCOUNTED or tier not in CALLS_A_MINUTE:
            return False
        is_post = method == "chat.postMessage"
        most = POSTS_A_MINUTE if is_post else CALLS_A_MINUTE[tier]
        calls = self._calls[f"{method} {channel}" if is_post else method]
        while calls and calls[0] <= now - self.minute_seconds:
            calls.popleft()
        if len(calls) >= most:
            self.refused[method] += 1
            return True
        calls.append(now)
        return False
