"""Numbers as they stand in addresses and forms, where anything else may stand as well."""


def whole(text: str | None) -> int | None:
    """From 0 to what a column holds; None: it is no such number."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 18 else None
