"""What /forget does to the inbox, and what it leaves alone when a crash has it read again. SQL; knows no turn, no lesson."""

LATER = (
    "SELECT later.id FROM inbox AS asking JOIN inbox AS later ON later.number > asking.number"
    " WHERE asking.id = ?4 AND asking.author = ''"
)
"""The ids of messages that came after a /forget that was carried out before; none when it is carried out for the first time.

It is seen by its author's name, which it takes away from itself as well. The first time all goes that is there, also what
was answered to a later message in the meantime: that answer may have been made of what is to be forgotten.
"""

FORGET_WAITING = (
    "UPDATE inbox SET settled_at = ?5, body = NULL, address = NULL, reply_refs = NULL"
    " WHERE platform = ?2 AND workspace = ?3 AND author = ?1 AND id != ?4 AND body IS NOT NULL"
    " AND number < coalesce((SELECT number FROM inbox WHERE id = ?4), number + 1) RETURNING number"
)
"""Takes author, platform, workspace, the message's id and the time. What came after the message waits on."""

FORGET_AUTHORS = (
    "UPDATE inbox SET author = '' WHERE platform = ?2 AND workspace = ?3 AND author = ?1"
    " AND NOT (settled_at IS NULL AND number > coalesce((SELECT number FROM inbox WHERE id = ?4), number))"
)
"""Takes author, platform, workspace and the message's id. What waits on keeps its name, so that another /forget finds it."""
