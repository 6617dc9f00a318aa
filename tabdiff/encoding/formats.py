"""How identifiers are written, found from examples, and new ones written alike."""

from __future__ import annotations

import math
import re
import string
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from tabdiff.encoding.permutations import permuted

__all__ = ["NumberedText", "Piece", "TextFormat", "beyond", "extended_format", "find_format"]

DIGITS, LOWER, UPPER = string.digits, string.ascii_lowercase, string.ascii_uppercase
ALPHABETS = (DIGITS, LOWER, UPPER, DIGITS + LOWER, DIGITS + UPPER, LOWER + UPPER, DIGITS + LOWER + UPPER)
HEX = (DIGITS + "abcdef", DIGITS + "ABCDEF")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MIN_TEXTS = 20
MAX_EXAMPLES = 50_000
VARIANTS = ("89ab", "89AB")
USUAL_SHARE = 0.9  # of the examples that must be written alike
MAX_DIGITS = 18  # of a number that int64 holds
MAX_RANDOM = 32  # characters where no format is found
FREE = 10**13  # times as many texts as examples: none of ten million random ones is likely to be an example
MAX_NUMBERED = 2**62

FINE = str.maketrans(dict.fromkeys(DIGITS, "0") | dict.fromkeys(LOWER, "a") | dict.fromkeys(UPPER, "A"))
COARSE = str.maketrans(dict.fromkeys(DIGITS + LOWER + UPPER, "0"))
FINE_RUNS = {"0": "([0-9]+)", "a": "([a-z]+)", "A": "([A-Z]+)"}
COARSE_RUNS = {"0": "([0-9a-zA-Z]+)"}


@dataclass(frozen=True)
class Piece:
    """Part of a text: `text` itself, or if it has an alphabet, `low` to `high` characters of it."""

    text: str = ""
    alphabet: str = ""
    low: int = 0
    high: int = 0

    @property
    def pattern(self) -> str:
        """Regular expression, one group for what varies; it may be longer than `high`."""
        return f"([{self.alphabet}]{{{self.low},}})" if self.alphabet else re.escape(self.text)


@dataclass(frozen=True)
class NumberedText:
    """Texts that differ in one number: prefix, number of at least `width` digits, suffix.

    start: the number of the first new text, above all seen.
    """

    prefix: str
    suffix: str
    width: int
    start: int

    def fresh(self, first_row: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """The texts of rows first_row, ..., first_row + n - 1: (n,) strings."""
        if not n:
            return np.zeros(0, dtype=np.str_)
        numbers = np.char.zfill((self.start + first_row + np.arange(n)).astype(np.str_), self.width)
        return np.char.add(np.char.add(self.prefix, numbers), self.suffix)

    def including(self, texts: Sequence[str]) -> Self | None:
        """The same format, whose new texts are none of these either; None if these differ from it."""
        pattern = f"{re.escape(self.prefix)}([0-9]{{1,{MAX_DIGITS}}}){re.escape(self.suffix)}"
        numbers = [int(found.group(1)) for found in map(re.compile(pattern).fullmatch, texts) if found]
        if len(numbers) < USUAL_SHARE * len(texts):
            return None
        return replace(self, start=max(self.start, beyond(np.array(numbers)))) if numbers else self


@dataclass(frozen=True)
class TextFormat:
    """Texts of several pieces, whose varying characters are random.

    unique: whether no text may come twice. longer: whether new texts must be longer than all seen, because
    there are too few of their length for random ones to be surely new.
    """

    pieces: tuple[Piece, ...]
    unique: bool
    longer: bool

    def fresh(self, first_row: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """The texts of rows first_row, ..., first_row + n - 1: (n,) strings, none of them twice.

        They are permuted row numbers, written in the digits that the format's alphabets are.
        """
        if not self.unique or not self.longer:
            rows = first_row + np.arange(n) if self.unique else None
            return _written(self.pieces, rows, n, rng)
        parts: list[np.ndarray] = []
        start, extra = 0, 1
        while not parts or start < first_row + n:
            pieces = self._lengthened(extra)
            end = start + _space(pieces)
            rows = np.arange(max(first_row, start), min(first_row + n, end))
            parts.append(_written(pieces, rows - start, len(rows), rng))
            start, extra = end, extra + 1
        return np.concatenate(parts)

    def _lengthened(self, extra: int) -> tuple[Piece, ...]:
        """The pieces with the last varying one longer, by so many characters, than it has ever been."""
        last = max(i for i, piece in enumerate(self.pieces) if piece.alphabet)
        piece = self.pieces[last]
        n = piece.high + extra
        return (*self.pieces[:last], replace(piece, low=n, high=n), *self.pieces[last + 1 :])

    def including(self, texts: Sequence[str]) -> Self | None:
        """The same format, whose new texts are none of these either; None if these differ from it."""
        pattern = re.compile("".join(piece.pattern for piece in self.pieces))
        found = [match.groups() for match in map(pattern.fullmatch, texts) if match]
        if len(found) < USUAL_SHARE * len(texts):
            return None
        longest = iter([max(map(len, group)) for group in zip(*found, strict=True)])
        return replace(
            self,
            pieces=tuple(
                replace(piece, high=max(piece.high, next(longest, 0))) if piece.alphabet else piece
                for piece in self.pieces
            ),
        )


def beyond(numbers: np.ndarray) -> int:
    """Where to count on from integers: above all of them, rounded up by up to their mean distance.

    Not rounded where that would take one digit more. The exact maximum is not told by it, except of numbers
    without gaps.
    """
    low, high = int(numbers.min()), int(numbers.max())
    gap = (high - low) // max(1, len(numbers) - 1)
    unit = 10 ** (len(str(gap)) - 1) if gap else 1
    rounded = -(-(high + 1) // unit) * unit
    return rounded if len(str(rounded)) == len(str(high + 1)) else high + 1


def extended_format(
    before: NumberedText | TextFormat, texts: Sequence[str], unique: bool
) -> NumberedText | TextFormat:
    """The format of texts seen before and of these together: of these alone if they are written otherwise."""
    included = before.including(texts)
    if included is not None:
        return included
    return find_format(texts, unique, len(texts)) if len(texts) >= MIN_TEXTS else before


def find_format(texts: Sequence[str], unique: bool, n_rows: int) -> NumberedText | TextFormat:
    """How different texts of a column of n rows are written.

    Nine in ten must be written alike, from the same pieces: text that all share, digits, lower or upper
    letters, hexadecimal digits, or letters and digits mixed. If they are not, new texts begin as all do and
    are random beyond. What fewer than 20 texts of a longer column share may tell of them: new texts are
    random altogether.
    """
    if len(texts) < min(MIN_TEXTS, n_rows):
        return _random_format(texts, unique, "", n_rows)
    if len(texts) > MAX_EXAMPLES:
        found = find_format(texts[:: 1 + len(texts) // MAX_EXAMPLES], unique, n_rows)
        return found.including(texts) or found
    for table, runs in ((FINE, FINE_RUNS), (COARSE, COARSE_RUNS)):
        usual = _matches(texts, table, runs)
        if usual is None:
            continue
        pattern, groups = usual
        numbered = _numbered(pattern, groups) if unique else None
        if numbered is not None:
            return numbered
        pieces = _pieces(pattern, groups, all(map(UUID.fullmatch, texts)))
        if any(piece.alphabet for piece in pieces):
            return TextFormat(pieces, unique, longer=unique and _space(pieces) < FREE * n_rows)
    return _random_format(texts, unique, _common_start(texts), n_rows)


def _matches(
    texts: Sequence[str], table: dict[int, str], runs: dict[str, str]
) -> tuple[list[str], list[tuple[str, ...]]] | None:
    """The usual way of writing, and what its runs are in each text written so; None if it is not usual.

    It is told by fixed characters and patterns of runs, in their order.
    """
    shapes = [re.sub(r"([0aA])\1+", r"\1", text.translate(table)) for text in texts]
    shape, count = Counter(shapes).most_common(1)[0]
    if count < USUAL_SHARE * len(texts) or not set(shape) & set(runs):
        return None
    pattern = [runs.get(character, character) for character in shape]
    compiled = re.compile("".join(part if part in runs.values() else re.escape(part) for part in pattern))
    found = map(compiled.fullmatch, texts)
    return pattern, [match.groups() for match in found if match]


def _numbered(pattern: list[str], groups: list[tuple[str, ...]]) -> NumberedText | None:
    """The format of texts that differ in one number alone; None if there is more to them."""
    columns = list(zip(*groups, strict=True))
    varying = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) != 1:
        return None
    numbers = columns[varying[0]]
    if not all(map(str.isdigit, numbers)) or max(map(len, numbers)) > MAX_DIGITS:
        return None
    runs = iter(columns)
    texts = [next(runs)[0] if part.startswith("([") else part for part in pattern]
    place = [i for i, part in enumerate(pattern) if part.startswith("([")][varying[0]]
    return NumberedText(
        "".join(texts[:place]),
        "".join(texts[place + 1 :]),
        min(map(len, numbers)),
        beyond(np.array([int(number) for number in numbers])),
    )


def _pieces(pattern: list[str], groups: list[tuple[str, ...]], is_uuid: bool) -> tuple[Piece, ...]:
    """The pieces of texts: characters that all share are fixed, in runs of one length also single ones."""
    runs = enumerate(zip(*groups, strict=True))
    pieces: list[Piece] = []
    for part in pattern:
        if not part.startswith("(["):
            pieces.append(Piece(part))
            continue
        i, run = next(runs)
        lengths = set(map(len, run))
        alphabet = _alphabet(set().union(*map(set, run)))
        if len(lengths) > 1:
            pieces.append(Piece("", alphabet, min(lengths), max(lengths)))
            continue
        for k, characters in enumerate(map(set, zip(*run, strict=True))):
            choice = alphabet
            if is_uuid and i == 3 and k == 0:  # it tells the variant, RFC 9562 section 4.1
                choice = next((one for one in VARIANTS if characters <= set(one)), alphabet)
            pieces.append(Piece(characters.pop()) if len(characters) == 1 else Piece("", choice, 1, 1))
    return _joined(pieces)


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The same pieces, neighbours of a kind put together."""
    out: list[Piece] = []
    for piece in pieces:
        before = out[-1] if out else None
        if before is not None and piece.alphabet == before.alphabet and before.low == before.high:
            text = before.text + piece.text
            out[-1] = replace(before, text=text, low=before.low + piece.low, high=before.high + piece.high)
        else:
            out.append(piece)
    return tuple(out)


def _alphabet(characters: set[str]) -> str:
    """The smallest of the usual alphabets that holds the characters; hexadecimal only if both occur."""
    mixed = characters & set(DIGITS) and characters - set(DIGITS)
    candidates = (*HEX, *ALPHABETS) if mixed else ALPHABETS
    return min((one for one in candidates if characters <= set(one)), key=len)


def _random_format(texts: Sequence[str], unique: bool, prefix: str, n_rows: int) -> TextFormat:
    """A prefix, then letters and digits at random, so many that new texts are surely new."""
    characters = set().union(*map(set, texts)) & set(ALPHABETS[-1])
    alphabet = _alphabet(characters or {"a"})
    lengths = [len(text) - len(prefix) for text in texts]
    low = max(math.ceil(math.log(FREE * n_rows, len(alphabet))), min(lengths))
    pieces = [Piece(prefix)] if prefix else []
    pieces.append(Piece("", alphabet, low, max(low, min(max(lengths), MAX_RANDOM))))
    return TextFormat(tuple(pieces), unique, longer=False)


def _common_start(texts: Sequence[str]) -> str:
    """What all texts begin with, shorter than each of them."""
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first[:-1], last, strict=False))
    return first[: next((i for i, (a, b) in pairs if a != b), max(0, len(first) - 1))]


def _space(pieces: Sequence[Piece]) -> int:
    """How many texts there are of the shortest length of each piece."""
    return math.prod(len(piece.alphabet) ** piece.low for piece in pieces if piece.alphabet)


def _written(
    pieces: Sequence[Piece], rows: np.ndarray | None, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Texts of some rows, all different; of no rows, at random: (n,) strings.

    The first `low` characters of the pieces hold the permuted row numbers as far as needed, the last ones
    first. All other characters are drawn.
    """
    space, numbered = 1, []
    for i, piece in reversed(list(enumerate(pieces))):
        for k in reversed(range(piece.low)):
            if space * len(piece.alphabet) <= MAX_NUMBERED and rows is not None:
                space *= len(piece.alphabet)
                numbered.append((i, k))
    parts = {i: _random_codes(piece, n, rng) for i, piece in enumerate(pieces) if piece.alphabet}
    if rows is not None:
        key = zlib.crc32("".join(piece.pattern for piece in pieces).encode())
        rest = permuted(rows, space, key)
        for i, k in numbered:
            size = np.uint64(len(pieces[i].alphabet))
            parts[i][:, k] = _codes(pieces[i].alphabet)[(rest % size).astype(np.int64)]
            rest = rest // size
    texts = np.full(n, "")
    for i, piece in enumerate(pieces):
        part = parts[i].view(f"<U{parts[i].shape[1]}")[:, 0] if piece.alphabet else piece.text
        texts = np.char.add(texts, part)
    return texts


def _random_codes(piece: Piece, n: int, rng: np.random.Generator) -> np.ndarray:
    """Random characters of a piece's alphabet, then zeros: (n, high) uint32 code points."""
    codes = _codes(piece.alphabet)[rng.integers(0, len(piece.alphabet), (n, piece.high))]
    if piece.low < piece.high:
        lengths = rng.integers(piece.low, piece.high, n, endpoint=True)
        codes[np.arange(piece.high) >= lengths[:, None]] = 0
    return codes


def _codes(alphabet: str) -> np.ndarray:
    return np.array([ord(character) for character in alphabet], dtype=np.uint32)
