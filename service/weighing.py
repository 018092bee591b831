"""What a JSON text will take in memory, told from its bytes before it is parsed.

`1,` is two bytes as text and 26 once parsed, `-1,` three and 59, `[1],` four and 124. So bodies are
weighed first: refused when they are too heavy alone, else counted as what they will weigh while
they are looked at.
"""

VALUE = 56  # 16 of the parser, 8 of the list, 32 of a number
LIST = 80  # more than a value; so are the next three
OBJECT = 160
KEY = 64
QUOTE = 18


def parsed_bytes(text: bytes) -> int:
    """Return the most bytes that the parser and the values it makes of a text can take."""
    weight = VALUE * (text.count(b",") + 1) + LIST * text.count(b"[") + OBJECT * text.count(b"{")
    weight += KEY * text.count(b":") + QUOTE * text.count(b'"')
    may_be_wide = not text.isascii() or b"\\u" in text
    return weight + len(text) * (5 if may_be_wide else 2)  # a wide letter widens its whole string
