"""What the bot says of teaching, beside `wording`: short, kind, and what to do next. Knows no store and no file."""


def cannot_be_written(path: str) -> str:
    return (
        f"{path} is written in a way in which I cannot add this without touching more of it, so I left it alone."
        " Put the example in by hand."
    )


def not_json(skill: str) -> str:
    return f"/{skill} answers with JSON, and what stands behind the => is none. Write it as JSON."
