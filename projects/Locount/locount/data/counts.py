"""What is known of counts in annotation files of any format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# Numbers that labeling tools add to boxes by themselves.
_OF_TOOLS = frozenset({"rotation", "track_id", "z_order", "confidence", "score", "id"})
_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d*)?\s*", re.ASCII)


def is_number_attribute(name: str, value: object) -> bool:
    """Whether an attribute of a box is a number that a person may have written."""
    if name in _OF_TOOLS or isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (
        isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    )


def uncounted(names: Iterable[str]) -> str:
    """What to say about number attributes of boxes if none is a count; "" without any."""
    found = Counter(names)
    if not found:
        return ""
    texts = ", ".join(f"{name!r} ({number} boxes)" for name, number in found.most_common(5))
    name = found.most_common(1)[0][0]
    return (
        f"no box has a count, so each is one item; but there are numbers called {texts}: if one is "
        f"the number of items, say so (convert --count-attribute {name}; ?count={name} in the name "
        "of a dataset), or that none is (an empty name)"
    )
