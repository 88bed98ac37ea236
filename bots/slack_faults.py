"""What Slack's error names mean for an answer and for the bot. Knows no SDK and no network."""

from bots.surface import Busy, MessageGone, Uncertain

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

# The message, the thread or the channel is closed to us.
_GONE = frozenset((
    "cannot_reply_to_message",
    "cant_update_message",
    "channel_not_found",
    "edit_window_closed",
    "is_archived",
    "message_not_found",
    "messages_tab_disabled",
    "not_in_channel",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_thread_only_channel",
    "thread_not_found",
))  # fmt: skip

# Slack says of these that a part of the call may have happened.
_HALF_DONE = frozenset(("", "fatal_error", "internal_error", "request_timeout", "service_unavailable"))
_BUSY = frozenset(("rate_limited", "ratelimited"))


def write_fault(code: str, status: int, retry_after_seconds: float) -> MessageGone | Busy | Uncertain | None:
    """What a refused write means. `code` is empty where the answer was not Slack's. None: nothing was written."""
    if status == 429 or code in _BUSY:
        return Busy(retry_after_seconds)
    if code in _GONE:
        return MessageGone(code)
    return Uncertain(code or f"HTTP {status}") if code in _HALF_DONE else None
