"""The shape of the database, one numbered step after the other. Knows no message and no connection.

A step that has been released is never edited: a change is a new step at the end.
"""

APPLICATION_ID = 0x55647374  # "Udst": tells our file from any other SQLite database

_FIRST = (
    """
    CREATE TABLE inbox (
        id TEXT PRIMARY KEY,
        platform TEXT NOT NULL,
        workspace TEXT NOT NULL,
        author TEXT NOT NULL,
        accepted_at REAL NOT NULL,
        settled_at REAL,
        body TEXT,
        address TEXT,
        reply_refs TEXT
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX inbox_open ON inbox (platform, accepted_at) WHERE settled_at IS NULL",
    "CREATE INDEX inbox_settled ON inbox (settled_at) WHERE settled_at IS NOT NULL",
    """
    CREATE TABLE turns (
        number INTEGER PRIMARY KEY,
        message_id TEXT NOT NULL UNIQUE,
        platform TEXT NOT NULL,
        workspace TEXT NOT NULL,
        channel TEXT NOT NULL,
        conversation TEXT NOT NULL,
        author TEXT NOT NULL,
        skill TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        answered_at REAL NOT NULL,
        is_ended INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    "CREATE INDEX turns_scope ON turns (platform, workspace, channel, conversation, number)",
    "CREATE INDEX turns_author ON turns (platform, workspace, author)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
"""Step n takes a database from `user_version` n - 1 to n, in one transaction."""
