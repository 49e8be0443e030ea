"""Names of files and folders from free text, as what a data set is called, and numbers of things."""

import hashlib
import re

MOST_NAMED = 4  # things of a kind that a message names; it counts the others
LONGEST = 60  # bytes; a file system takes 255, and other words stand before and behind
_CODE = re.compile(r"-[0-9a-f]{8}")


def file_name(text: str) -> str:
    """What a file or folder is called after ``text``: another text has another name.

    It is the text where a file can be called so.  Else it is what people can read of it, and the first digits of its
    SHA-256.
    """
    readable = re.sub(r"[^\w.-]+", "-", text).strip("-.").encode()[:LONGEST].decode(errors="ignore")
    if readable == text != "" and not _CODE.fullmatch(text[-9:]):
        return text
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".strip("-")


def counted(number: int, thing: str) -> str:
    """So many things: "1 run", "2 runs"."""
    return f"{number} {thing}{'s' * (number != 1)}"
