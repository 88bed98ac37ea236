"""The methods of Slack's Web API that are emulated. Knows no HTTP and no fault."""

import json
from collections import defaultdict
from typing import Any

from tests.emulators import slack_spec, slack_streams
from tests.emulators.slack_streams import Stream
from tests.emulators.slack_world import APP_ID, BOT_ID, BOT_USER, TEAM, Envelope, Posted, World


class Methods(World):
    def __init__(self) -> None:
        super().__init__()
        self.api_url = ""
        self.has_streams = True
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: list[dict[str, Any]] = []
        self.uploads: list[dict[str, Any]] = []
        self.views: dict[str, dict[str, Any]] = {}
        self.homes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.whispers: list[dict[str, Any]] = []
        self.whispered: list[Posted] = []
        self.statuses: list[dict[str, Any]] = []
        self.manifests: list[dict[str, Any]] = []
        self._tickets: set[str] = set()
        self.given_tickets: list[str] = []

    @property
    def has_listeners(self) -> bool:
        """Whether somebody is connected."""
        raise NotImplementedError

    async def _tell(self, kind: str, body: dict[str, Any]) -> Envelope:
        """Tells the bot something."""
        raise NotImplementedError

    async def _carry_out(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | str:
        """The answer, or the name of an error."""
        match method:
            case "auth.test":
                return {
                    "team_id": TEAM,
                    "team": "Team",
                    "user_id": BOT_USER,
                    "user": "understudy",
                    "bot_id": BOT_ID,
                }
            case "apps.connections.open":
                ticket = f"ticket-{next(self._numbers)}"
                self._tickets.add(ticket)
                self.given_tickets.append(ticket)
                base = self.api_url.replace("http:", "ws:").replace("/api/", "/link")
                return {"url": f"{base}?ticket={ticket}"}
            case "chat.postMessage":
                return await self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "conversations.replies" | "conversations.history":
                return self._read(method, arguments)
            case "chat.startStream":
                return self._start_stream(arguments)
            case "chat.appendStream" | "chat.stopStream":
                return self._grow_stream(method, arguments)
            case "chat.postEphemeral":
                return self._whisper(arguments)
            case "assistant.threads.setStatus":
                self.statuses.append(arguments)
                return {}
            case (
                "assistant.threads.setTitle"
                | "assistant.threads.setSuggestedPrompts"
                | "agents.sessions.setStatus"
            ):
                return {}
        return self._carry_out_more(method, arguments)

    def _carry_out_more(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | str:
        match method:
            case "users.info":
                found = {"id": arguments["user"], "name": arguments["user"].lower(), "team_id": TEAM}
                return {"user": found | self.users.get(arguments["user"], {})}
            case "usergroups.list":
                return {"usergroups": self.groups}
            case "views.open":
                return self._open_view(arguments["view"])
            case "views.update":
                return self._update_view(arguments["view_id"], arguments["view"])
            case "views.publish":
                self.homes[arguments["user_id"]].append(arguments["view"])
                return {"view": arguments["view"]}
            case "files.getUploadURLExternal":
                number = next(self._numbers)
                self.uploads.append({"id": f"F{number}", **arguments})
                url = self.api_url.replace("/api/", f"/upload/{number}")
                return {"file_id": f"F{number}", "upload_url": url}
            case "files.completeUploadExternal":
                return self._complete_upload(arguments)
            case "apps.manifest.export" if arguments["app_id"] != APP_ID:
                return "app_not_found"
            case "apps.manifest.export":
                return {"manifest": self.manifests[-1] if self.manifests else {}}
            case "apps.manifest.update":
                self.manifests.append(json.loads(arguments["manifest"]))
                return {"app_id": arguments["app_id"], "permissions_updated": False}
        self.violations.append(f"{method} is not emulated")
        return "fatal_error"

    async def _post(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        channel = arguments["channel"]
        if fault := self._closed(channel):
            return fault
        if channel.startswith("U"):
            channel = f"D{channel}"
        text = _text_of(arguments)
        posted = Posted(
            self._ts(),
            channel,
            BOT_USER,
            [text],
            arguments.get("thread_ts"),
            arguments.get("metadata"),
            BOT_ID,
            arguments.get("blocks") or [],
        )
        self._keep(posted)
        if self.has_listeners:  # the bot hears itself
            for body in self._events_of(posted, {}):
                await self._tell("events_api", body)
        return {"channel": channel, "ts": posted.ts, "message": {"text": text}}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        if fault := self._closed(arguments["channel"]):
            return "is_inactive" if fault == "is_archived" else "channel_not_found"
        posted = self.messages.get((arguments["channel"], arguments["ts"]))
        if posted is None:
            return "message_not_found"
        if posted.user != BOT_USER:
            return "cant_update_message"
        if posted.stream is not None and not posted.stream.is_over(self.now()):
            return "streaming_state_conflict"
        text = _text_of(arguments)
        posted.versions.append(text)
        posted.blocks = arguments.get("blocks") or []
        return {"channel": posted.channel, "ts": posted.ts, "text": text, "message": {"text": text}}

    def _start_stream(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        channel = arguments["channel"]
        if fault := self._closed(channel):
            return fault
        if not self.has_streams:
            return "channel_type_not_supported"
        if fault := slack_streams.fault_of_start(arguments):
            self.violations.append(fault)
            return fault
        text = slack_streams.text_of(arguments)
        posted = Posted(self._ts(), channel, BOT_USER, [text], arguments.get("thread_ts"), bot_id=BOT_ID)
        posted.stream = Stream(self.now())
        self._keep(posted)
        return {"channel": channel, "ts": posted.ts}

    def _grow_stream(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | str:
        if fault := self._closed(arguments["channel"]):
            return fault
        posted = self.messages.get((arguments["channel"], arguments["ts"]))
        if posted is None:
            return "message_not_found"
        if posted.stream is None or posted.stream.is_over(self.now()):
            return "message_not_in_streaming_state"
        posted.versions.append(posted.text + slack_streams.text_of(arguments))
        if len(posted.text) > slack_spec.MAX_MARKDOWN:
            self.violations.append(f"a streamed message of {len(posted.text)} characters")
        if method == "chat.stopStream":
            posted.stream.is_stopped = True
            posted.blocks = arguments.get("blocks") or []
        return {"channel": posted.channel, "ts": posted.ts, "message": {"text": posted.text}}

    def _whisper(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        if fault := self._closed(arguments["channel"]):
            return "not_in_channel" if fault == "not_in_channel" else "channel_not_found"
        text = _text_of(arguments)
        self.whispers.append({**arguments, "text": text})
        whispered = Posted(
            self._ts(), arguments["channel"], BOT_USER, [text], arguments.get("thread_ts"), is_ephemeral=True
        )
        whispered.blocks = arguments.get("blocks") or []
        self.whispered.append(whispered)
        return {"message_ts": whispered.ts}

    def _replace(self, posted: Posted, told: dict[str, Any]) -> None:
        """By way of a response_url."""
        posted.versions.append(_text_of(told))
        posted.blocks = told.get("blocks") or []

    def _open_view(self, view: dict[str, Any]) -> dict[str, Any]:
        view_id = f"V{next(self._numbers)}"
        self.views[view_id] = {"id": view_id, **view}
        return {"view": self.views[view_id]}

    def _update_view(self, view_id: str, view: dict[str, Any]) -> dict[str, Any] | str:
        if view_id not in self.views:
            return "not_found"
        self.views[view_id] = {"id": view_id, **view}
        return {"view": self.views[view_id]}

    def _complete_upload(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        files = arguments["files"]
        done = json.loads(files) if isinstance(files, str) else files
        for one in done:
            upload = next(upload for upload in self.uploads if upload["id"] == one["id"])
            upload |= {"channel": arguments.get("channel_id"), "thread_ts": arguments.get("thread_ts")}
        return {"files": done}

    def _read(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | str:
        if self._closed(arguments["channel"]) in ("not_in_channel", "channel_not_found"):
            return "channel_not_found"
        return self._listed(arguments["channel"], arguments.get("ts"))

    def _listed(self, channel: str, ts: str | None) -> dict[str, Any]:
        wanted = [
            {"ts": one.ts, "user": one.user, "text": one.text, "metadata": one.metadata or {}}
            | ({"bot_id": one.bot_id} if one.bot_id else {})
            for (where, _), one in self.messages.items()
            if where == channel and (one.thread_ts is None if ts is None else ts in (one.ts, one.thread_ts))
        ]
        return {"messages": wanted if ts else wanted[::-1], "has_more": False}


def _text_of(arguments: dict[str, Any]) -> str:
    """What people read: the markdown of the blocks, before the text that stands in for them."""
    blocks = arguments.get("blocks") or []
    shown = "\n".join(block["text"] for block in blocks if block["type"] == "markdown")
    return shown or arguments.get("markdown_text") or arguments["text"]
