"""Slack on loopback: real HTTP and WebSockets, enough of the Web API, Socket Mode, and faults on demand.

    async with SlackEmulator.start() as slack:
        ...                                              # a bot with api_url=slack.api_url
        ts = await slack.say("U1", "C1", f"<@{BOT_USER}> hello")
        message = await slack.answer_in("C1", ts)        # waits by event for a finished answer
        slack.fail("chat.update", RateLimited(2))        # the next call gets it

Every call is checked (`slack_spec`); leaving `start` raises if one was wrong.
"""

from typing import Any

from tests.emulators.slack_server import Server
from tests.emulators.slack_world import (
    APP_ID,
    APP_TOKEN,
    BOT_ID,
    BOT_TOKEN,
    BOT_USER,
    CONFIG_TOKEN,
    TEAM,
    Envelope,
    Garbage,
    Held,
    Posted,
    RateLimited,
    Refused,
    Reset,
)

__all__ = [
    "APP_ID",
    "APP_TOKEN",
    "BOT_ID",
    "BOT_TOKEN",
    "BOT_USER",
    "CONFIG_TOKEN",
    "TEAM",
    "Envelope",
    "Garbage",
    "Held",
    "Posted",
    "RateLimited",
    "Refused",
    "Reset",
    "SlackEmulator",
]


class SlackEmulator(Server):
    # What people do

    async def say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, **extra: Any
    ) -> str:
        """A person writes; the bot is told in each way in which Slack tells. Returns the message's `ts`."""
        posted = self._keep(Posted(self._ts(), channel, user, [text], thread_ts, bot_id=extra.get("bot_id")))
        for body in self._events_of(posted, extra):
            await self._tell("events_api", body)
        return posted.ts

    async def dm(self, user: str, text: str, thread_ts: str | None = None) -> str:
        return await self.say(user, f"D{user}", text, thread_ts)

    async def slash(self, user: str, channel: str, command: str, text: str = "") -> Envelope:
        number = next(self._numbers)
        body = {
            "token": "emulated",
            "team_id": TEAM,
            "channel_id": channel,
            "user_id": user,
            "user_name": user.lower(),
            "command": command,
            "text": text,
            "trigger_id": f"{number}.{number}",
            "response_url": self.api_url.replace("/api/", f"/response/{number}"),
            "api_app_id": "A1",
        }
        return await self._tell("slash_commands", body)

    async def event(self, event: dict[str, Any]) -> Envelope:
        """Any event at all."""
        return await self._tell("events_api", self._event_body(event))

    def delete(self, channel: str, ts: str) -> None:
        del self.messages[channel, ts]

    async def take_back(self, channel: str, ts: str) -> Envelope:
        """A person deletes what they said."""
        posted = self.messages.pop((channel, ts))
        previous = {"type": "message", "user": posted.user, "text": posted.text, "ts": ts}
        return await self.event(
            {
                "type": "message",
                "subtype": "message_deleted",
                "channel": channel,
                "ts": self._ts(),
                "deleted_ts": ts,
                "previous_message": previous,
            }
        )

    async def rewrite(self, channel: str, ts: str, text: str) -> Envelope:
        """A person edits what they said."""
        posted = self.messages[channel, ts]
        before = {"type": "message", "user": posted.user, "text": posted.text, "ts": ts}
        posted.versions.append(text)
        after = before | {"text": text, "edited": {"user": posted.user, "ts": self._ts()}, "team": TEAM}
        if posted.thread_ts:
            after["thread_ts"] = posted.thread_ts
        return await self.event(
            {
                "type": "message",
                "subtype": "message_changed",
                "channel": channel,
                "ts": self._ts(),
                "message": after,
                "previous_message": before,
            }
        )

    async def press(self, user: str, posted: Posted, action_id: str, value: str | None = None) -> Envelope:
        """A button under a message of the bot; `value` where the button has more than one."""
        button = posted.button(action_id)
        container = {"type": "message", "message_ts": posted.ts, "channel_id": posted.channel}
        container |= {"is_ephemeral": posted.is_ephemeral}
        if posted.thread_ts:
            container["thread_ts"] = posted.thread_ts
        action = {"type": button["type"], "action_id": action_id, "value": value or button.get("value")}
        body = {"type": "block_actions", "container": container, "channel": {"id": posted.channel}}
        if not posted.is_ephemeral:  # Slack tells nothing of what one person sees
            body |= {"message": {"ts": posted.ts}}
        return await self._interact(user, body | {"actions": [action]}, posted)

    async def press_at_home(self, user: str, action_id: str, value: str) -> Envelope:
        view = {**self.homes[user][-1], "id": "VHOME", "callback_id": "", "private_metadata": ""}
        action = {"type": "button", "action_id": action_id, "value": value}
        return await self._interact(user, {"type": "block_actions", "view": view, "actions": [action]})

    async def shortcut(self, user: str, callback_id: str, channel: str, ts: str) -> Envelope:
        """A shortcut on a message, of a person or of anybody else."""
        posted = self.messages[channel, ts]
        message = {"type": "message", "user": posted.user, "ts": ts, "text": posted.text}
        if posted.thread_ts:
            message["thread_ts"] = posted.thread_ts
        body = {"type": "message_action", "callback_id": callback_id, "message": message}
        return await self._interact(user, body | {"channel": {"id": channel}, "message_ts": ts})

    async def choose(self, user: str, view_id: str, block_id: str, value: str) -> Envelope:
        """An option of a select that tells at once; what was typed before goes with it."""
        view = self.views[view_id]
        element = next(one["element"] for one in view["blocks"] if one.get("block_id") == block_id)
        option = next(one for one in element["options"] if one["value"] == value)
        action = {"type": "static_select", "action_id": element["action_id"], "selected_option": option}
        told = {**view, "state": {"values": self._state(view, {})}}
        return await self._interact(user, {"type": "block_actions", "view": told, "actions": [action]})

    async def submit(self, user: str, view_id: str, **typed: str) -> Envelope:
        """Sends a window, with what stands in it and what is typed: by the end of a block's id, or its value for a choice."""
        view = self.views[view_id]
        told = {**view, "state": {"values": self._state(view, typed)}}
        return await self._interact(user, {"type": "view_submission", "view": told})

    def _state(self, view: dict[str, Any], typed: dict[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for block in (one for one in view["blocks"] if one["type"] == "input"):
            element, name = block["element"], block["block_id"].rpartition(".")[2]
            value: dict[str, Any] = {"type": element["type"]}
            if element["type"] == "static_select":
                chosen = [one for one in element["options"] if one["text"]["text"] == typed.get(name)]
                value["selected_option"] = chosen[0] if chosen else element.get("initial_option")
            else:
                value["value"] = typed.get(name, element.get("initial_value"))
            values[block["block_id"]] = {element["action_id"]: value}
        return values

    async def open_app(self, user: str, tab: str) -> Envelope:
        return await self.event(
            {
                "type": "app_home_opened",
                "user": user,
                "channel": f"D{user}",
                "tab": tab,
                "event_ts": self._ts(),
            }
        )

    async def press_stop(self, channel: str, thread_ts: str) -> Envelope:
        """Slack's own stop button: the streams have ended when the bot is told."""
        growing = [one for one in self.thread(channel, thread_ts) if one.stream is not None]
        for posted in growing:
            assert posted.stream is not None
            posted.stream.is_stopped = True
        return await self.event(
            {
                "type": "agent_session_stopped",
                "channel": channel,
                "thread_ts": thread_ts,
                "user": "U1",
                "streaming_message_ts": [one.ts for one in growing],
            }
        )

    def move(self, seconds: float) -> None:
        """The clock, as far as streams see it."""
        self.moved_seconds += seconds

    async def _interact(self, user: str, body: dict[str, Any], pressed: Posted | None = None) -> Envelope:
        number = next(self._numbers)
        if pressed is not None:
            self._pressed[f"/response/{number}"] = pressed
        common = {
            "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": TEAM},
            "team": {"id": TEAM, "domain": "team"},
            "api_app_id": APP_ID,
            "token": "emulated",
            "trigger_id": f"{number}.{number}",
            "response_url": self.api_url.replace("/api/", f"/response/{number}"),
        }
        return await self._tell("interactive", common | body)

    # What tests wait for

    async def answer_in(self, channel: str, ts: str, containing: str = "") -> Posted:
        """The newest message of the bot in a thread, when it is not growing any more and contains the text."""

        def is_there() -> bool:
            seen = self.thread(channel, ts)
            return bool(seen) and not seen[-1].is_growing and containing in seen[-1].text

        await self.until(is_there)
        return self.thread(channel, ts)[-1]

    async def acked(self, envelope: Envelope) -> None:
        await self.until(lambda: bool(envelope.acks))

    async def connected(self, num_connections: int = 1) -> None:
        await self.until(lambda: self.num_connections >= num_connections and bool(self._sockets))

    def redirect_to(self, address: str) -> str:
        """The address of a file in Slack's store that is somewhere else now."""
        name = f"moved-{next(self._numbers)}.txt"
        self.redirects[name] = address
        return self.api_url.replace("/api/", f"/files/{name}")

    def file(self, name: str, content: bytes) -> dict[str, Any]:
        """A file in Slack's store, as an event tells of it."""
        self.files[name] = content
        url = self.api_url.replace("/api/", f"/files/{name}")
        return {"id": f"F{name}", "name": name, "size": len(content), "url_private_download": url}
