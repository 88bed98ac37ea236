"""What Slack's error names mean for an answer and for the bot. Knows no SDK and no network."""

from bots.slack_api import ApiFailed
from bots.surface import Busy, Closed, MessageGone, Uncertain

# The token itself is not, or no longer, known.
TOKEN_REFUSALS = frozenset(
    ("account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked")
)

# Asking again with the same token will not help.
REFUSALS = frozenset((
    "access_denied",
    "account_inactive",
    "app_access_restricted",
    "forbidden_team",
    "invalid_auth",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "token_expired",
    "token_revoked",
))  # fmt: skip

# The message or its thread is not there any more, or not ours to change.
_GONE = frozenset((
    "cannot_reply_to_message",
    "cant_update_message",
    "edit_window_closed",
    "message_not_found",
    "thread_not_found",
))  # fmt: skip

_INVITE = "Invite it there with /invite, or tell people where it is."
_ARCHIVED = "The channel is archived; who needs the answer asks again elsewhere."
_OPEN = "Somebody has closed that channel to it; they can open it again."

# The channel is closed to us: what to do about it.
_CLOSED = {
    "channel_not_found": _INVITE,
    "ekm_access_denied": "Somebody who manages the workspace has withdrawn its keys.",
    "is_archived": _ARCHIVED,
    "is_inactive": _ARCHIVED,
    "messages_tab_disabled": "Switch on the app's Messages tab (App Home), or renew its manifest (understudy slack-manifest).",
    "not_in_channel": _INVITE,
    "restricted_action": _OPEN,
    "restricted_action_non_threadable_channel": _OPEN,
    "restricted_action_read_only_channel": _OPEN,
    "restricted_action_thread_locked": _OPEN,
    "restricted_action_thread_only_channel": _OPEN,
}

_REINSTALL = "Renew the app's manifest (understudy slack-manifest) and reinstall it."

# Slack says of these that a part of the call may have happened.
_HALF_DONE = frozenset(("", "fatal_error", "internal_error", "request_timeout", "service_unavailable"))
_BUSY = frozenset(("rate_limited", "ratelimited"))


BAD_BLOCKS = frozenset((
    "invalid_attachments",
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "msg_blocks_too_many",
))  # fmt: skip

NEEDS_MEMBER = frozenset(("channel_not_found", "not_in_channel"))

# What must be there before a thread can be read, where Slack does not name the scope itself.
NEEDS_RIGHT = {
    "missing_scope": "channels:history",
    "not_in_channel": "/invite @Understudy",
    "channel_not_found": "/invite @Understudy",
}


def write_fault(error: ApiFailed) -> MessageGone | Busy | Uncertain | None:
    """What a refused write means. None: nothing was written."""
    if error.is_unsent:
        return None
    if error.status == 429 or error.code in _BUSY:
        return Busy(error.retry_after_seconds)
    if error.code in _CLOSED:
        return Closed(error.code, _CLOSED[error.code])
    if error.code in _GONE:
        return MessageGone(error.code)
    return Uncertain(str(error)) if error.code in _HALF_DONE else None


def post_fault(error: ApiFailed) -> MessageGone | Busy | Uncertain | None:
    """The same for a message: what it may not do without a stream either, it may not do at all."""
    if error.code in REFUSALS - TOKEN_REFUSALS:
        return Closed(error.code, _REINSTALL)
    return write_fault(error)


def stream_fault(error: ApiFailed) -> MessageGone | Busy | Uncertain | None:
    """The same for a stream under way. A call that did not arrive is no different: the stream cannot be trusted any more."""
    return Uncertain(str(error)) if error.is_unsent else write_fault(error)


def is_streaming_conflict(code: str) -> bool:
    """Whether Slack refuses an edit because the message is still a stream."""
    return code == "streaming_state_conflict"
