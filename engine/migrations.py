"""The shape of the database, one numbered step after the other. Knows no message and no connection.

A step that has been released is never edited: a change is a new step at the end.
"""

APPLICATION_ID = 0x55647374  # tells our file from any other SQLite database

_INBOX = """
    CREATE TABLE inbox (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        platform TEXT NOT NULL,
        workspace TEXT NOT NULL,
        author TEXT NOT NULL,
        body TEXT,
        address TEXT,
        reply_refs TEXT,
        settled_at REAL
    ) STRICT
"""

_CONVERSATIONS = """
    CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        platform TEXT NOT NULL,
        workspace TEXT NOT NULL,
        channel TEXT NOT NULL,
        conversation TEXT NOT NULL,
        chapter INTEGER NOT NULL DEFAULT 0,
        UNIQUE (platform, workspace, channel, conversation)
    ) STRICT
"""

_TURNS = """
    CREATE TABLE turns (
        number INTEGER PRIMARY KEY,
        message_id TEXT NOT NULL UNIQUE,
        conversation_number INTEGER NOT NULL REFERENCES conversations,
        chapter INTEGER NOT NULL,
        author TEXT NOT NULL,
        skill TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL
    ) STRICT
"""

_RATINGS = """
    CREATE TABLE ratings (
        message_id TEXT NOT NULL REFERENCES turns (message_id) ON DELETE CASCADE,
        author TEXT NOT NULL,
        verdict TEXT NOT NULL,
        rated_at REAL NOT NULL,
        PRIMARY KEY (message_id, author)
    ) STRICT
"""

_PROPOSALS = """
    CREATE TABLE proposals (
        number INTEGER PRIMARY KEY,
        platform TEXT NOT NULL,
        workspace TEXT NOT NULL,
        channel TEXT NOT NULL,
        conversation TEXT NOT NULL,
        author TEXT NOT NULL,
        author_name TEXT NOT NULL,
        skill TEXT NOT NULL,
        inputs TEXT NOT NULL,
        output TEXT NOT NULL,
        source TEXT NOT NULL,
        proposed_at REAL NOT NULL
    ) STRICT
"""

_SPEAKERS = """
    CREATE TABLE speakers (
        message_id TEXT NOT NULL REFERENCES turns (message_id) ON DELETE CASCADE,
        author TEXT NOT NULL,
        PRIMARY KEY (message_id, author)
    ) STRICT
"""

_FIRST_TIMES = """
    CREATE TABLE first_times (
        key TEXT PRIMARY KEY,
        happened_at REAL NOT NULL
    ) STRICT
"""

_LESSONS = """
    CREATE TABLE lessons (
        number INTEGER PRIMARY KEY,
        skill TEXT NOT NULL,
        change INTEGER NOT NULL,
        num_examples INTEGER NOT NULL,
        platform TEXT NOT NULL,
        workspace TEXT NOT NULL,
        channel TEXT NOT NULL,
        conversation TEXT NOT NULL,
        author TEXT NOT NULL,
        author_name TEXT NOT NULL,
        source TEXT NOT NULL,
        message_id TEXT NOT NULL,
        done_at REAL NOT NULL,
        is_undone INTEGER NOT NULL DEFAULT 0
    ) STRICT
"""

_FEATURES = """
    CREATE TABLE features (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        numbers BLOB NOT NULL,
        used_at REAL NOT NULL
    ) STRICT
"""

_REASONS = """
    CREATE TABLE reasons (
        message_id TEXT PRIMARY KEY REFERENCES turns (message_id) ON DELETE CASCADE,
        label TEXT NOT NULL,
        probability REAL,
        is_unsure INTEGER NOT NULL,
        method TEXT NOT NULL,
        neighbours TEXT NOT NULL
    ) STRICT
"""

_TRIALS = """
    CREATE TABLE trials (
        skill TEXT NOT NULL,
        item TEXT NOT NULL,
        model_sha256 TEXT NOT NULL,
        embedding_sha256 TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        said TEXT NOT NULL,
        probability REAL,
        is_unsure INTEGER NOT NULL,
        answered_at REAL NOT NULL,
        PRIMARY KEY (skill, item, model_sha256, embedding_sha256)
    ) STRICT
"""

_PUT_ASIDE = """
    CREATE TABLE put_aside (
        hash TEXT PRIMARY KEY,
        put_at REAL NOT NULL
    ) STRICT
"""
# What was kept before nobody noted when counts from the day of the update.
_NOW = "CAST(strftime('%s', 'now') AS REAL)"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _INBOX,
        "CREATE INDEX inbox_unsettled ON inbox (platform, number) WHERE settled_at IS NULL",
        "CREATE INDEX inbox_settled ON inbox (settled_at) WHERE settled_at IS NOT NULL",
        _CONVERSATIONS,
        _TURNS,
        "CREATE INDEX turns_of_conversation ON turns (conversation_number, chapter, number)",
        "CREATE INDEX turns_of_author ON turns (author)",
    ),
    (
        "ALTER TABLE inbox ADD COLUMN accepted_at REAL NOT NULL DEFAULT 0",
        "ALTER TABLE turns ADD COLUMN inputs TEXT NOT NULL DEFAULT '{}'",
        _RATINGS,
        _PROPOSALS,
        _SPEAKERS,
        _FIRST_TIMES,
        "CREATE INDEX speakers_of_author ON speakers (author)",
        "CREATE INDEX proposals_of_skill ON proposals (skill, number)",
    ),
    (
        "ALTER TABLE proposals ADD COLUMN state TEXT NOT NULL DEFAULT 'open'",
        "ALTER TABLE proposals ADD COLUMN decided_by TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE proposals ADD COLUMN decided_by_name TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE proposals ADD COLUMN decided_at REAL",
        _LESSONS,
        "CREATE INDEX lessons_of_skill ON lessons (skill, change)",
        "CREATE INDEX lessons_of_message ON lessons (message_id)",
    ),
    (_FEATURES, "CREATE INDEX features_by_use ON features (used_at)", _REASONS),
    (_TRIALS,),
    (
        _PUT_ASIDE,
        # What was interrupted keeps its content for a day, and is looked for with each answer that ends.
        "CREATE INDEX inbox_retriable ON inbox (settled_at) WHERE settled_at IS NOT NULL AND body IS NOT NULL",
    ),
    (
        "ALTER TABLE turns ADD COLUMN kept_at REAL NOT NULL DEFAULT 0",
        "ALTER TABLE conversations ADD COLUMN used_at REAL NOT NULL DEFAULT 0",
        f"UPDATE turns SET kept_at = {_NOW}",  # noqa: S608 - our own text
        f"UPDATE conversations SET used_at = {_NOW}",  # noqa: S608 - our own text
        "CREATE INDEX turns_by_time ON turns (kept_at)",
    ),
)
"""Step n takes a database from `user_version` n - 1 to n, in one transaction."""
