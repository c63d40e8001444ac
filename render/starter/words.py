"""What an image classifier understands of a text: the classes its words name, by a table of words.

A classifier knows 1,000 classes and no language. `WordTable.read` turns a text into shares of
classes and a confidence, without a model: it finds the longest phrases of the text that the table
has, tells heads from modifiers ("a stone bridge": a bridge), and leaves out what is no object
(materials, styles, light). A text that names nothing the classifier knows has confidence 0, for a
wrong class spoils a picture and a missing one does not.

The table is a text. Its first line is "render.words.1"; then come remarks, which start with
"#"; every other line is a phrase, a tab, and what the phrase means:

    wolf	95 269:50 270:30 271:20     the classes with their shares; sure to 95 in 100
    field	@                          "a field of X" and "X field" show X
    vase	@95 883:100                the same, and itself a class: "a flower vase" is a vase
    oil painting	.                  says nothing of what is shown: a style, an adjective, a verb
    glass	=60 441:100                a material: "a bird of glass" shows no glass
    person	-                         a thing that is no class, and nor is a "cat person" a cat

Phrases are in lower case, their words apart by single spaces. At most 8 classes a line. Made by
tools/starter/word_table.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

HEADER = "render.words.1"
CLASSES = 1000  # of ImageNet, which the numbers of a table may name
MAX_TEXT = 2000  # characters of a prompt that are read
_MAX_TABLE = 4_000_000  # characters
_MAX_PHRASE = 80  # characters
_MAX_PHRASE_WORDS = 6
_MAX_READ = 12  # classes a reading

_SECOND = 0.4  # weight of an object beside the main one, which has 1
_PART = 0.25  # weight of what the main object is "of"
_BESIDE_UNKNOWN = 0.8  # confidence in an object that stands beside something unknown

_REMARKS = re.compile(r"(?:#[^\n]*\n)+")
_VALUE = re.compile(
    r"[-.]|@=?|=|@?=?(?:[1-9][0-9]?|100)(?: (?:0|[1-9][0-9]{0,2}):[1-9][0-9]{0,2}){1,8}"
)


def _set(listed: str) -> frozenset[str]:
    """Returns the words of a text."""
    return frozenset(listed.split())


_DETERMINERS = _set(
    """a an the this that these those his her its their my your our some any every each another one
    two three four five six seven eight nine ten eleven twelve dozens hundreds thousands many
    several few more most all both"""
)
# What begins another phrase of the text. The phrase after it stands beside what comes before it ...
_BESIDE = _set(
    """in on with under over at near through across behind above below beside between among inside
    outside into onto from to against around along towards toward upon within amid amidst beneath
    atop past beyond during before after next for off out up down while when where who which as is
    am are was were be has have having opposite underneath via per about containing"""
)
# ... is its equal ...
_EQUAL = _set("and or plus versus vs meets x")
# ... or is not to be seen.
_UNSEEN = _set("without not no like unlike minus except")
# Words that say nothing of what is shown. Negations are among them: no perceptor heeds a "not".
FUNCTION_WORDS = (
    _DETERMINERS
    | _BESIDE
    | _EQUAL
    | _UNSEEN
    | _set(
        """of there here very you she they him them itself himself herself themselves would could
        should can will may might must does did only also just than then too such so how what why"""
    )
)
_LONG_TIES = {
    "beside": """in the shape of|in shape of|shaped like|shaped as|in the form of|in form of
        |full of|filled with|consisting of|covered in|covered with|overgrown with|in front of
        |on top of|out of|because of|inside of|outside of|next to|close to|in the middle of""",
    "unseen": """made of|made from|made out of|made entirely of|made with|built of|built from
        |built out of|carved from|carved out of|carved of|carved in|crafted from|crafted of
        |formed of|formed from|composed of|constructed of|constructed from|woven from|woven of
        |cut from|cut out of|molded from|sculpted from|sculpted in|knitted from|folded from
        |cast in|wrought from|in the style of|style of|in style of|in the manner of
        |in a style of|in the spirit of|rendered in|painted in|painted with|painted on|as if
        |looks like|looking like|instead of|based on|reminiscent of|in the year of""",
    # Who has made the picture. An "of" after that shows something again.
    "artist": """as painted by|painted by|inspired by|drawn by|designed by|illustrated by
        |directed by|photographed by|created by|imagined by|rendered by|made by|art by
        |influenced by""",
}
_NO_PARTICIPLE = _set(
    """king ring wing thing string spring evening morning wedding lightning ceiling clothing
    building viking being sling pudding starling duckling dumpling herring sterling something
    nothing anything everything darling gosling sibling inkling beijing railing awning boxing
    dining living ping ming zing sting bling icing stocking sapling seedling hatchling earring
    farthing shilling rigging nestling fledgling changeling halfling scaffolding plumbing
    bunting"""
)
# Verbs that are also plurals of nouns of the table: "an owl flies".
_VERBS = _set(
    """barks bows crows docks drills drums ducks flies hooks keeps parrots perches rings rolls sails
    seals signs sinks steers swallows swings watches wrecks"""
)
_IRREGULAR = {
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "men": "man",
    "women": "woman",
    "children": "child",
    "people": "person",
    "oxen": "ox",
    "dice": "die",
    "octopi": "octopus",
    "cacti": "cactus",
    "fungi": "fungus",
    "hippopotami": "hippopotamus",
    "wharves": "wharf",
    "lice": "louse",
    "vertebrae": "vertebra",
    "larvae": "larva",
    "nebulae": "nebula",
    "chateaux": "chateau",
    "tableaux": "tableau",
    "gateaux": "gateau",
    "plateaux": "plateau",
}

_BREAK = ","


def _ties_by_first_word() -> dict[str, list[tuple[list[str], str]]]:
    """Returns the ties of several words with their kinds, the longest of each first word first."""
    found: dict[str, list[tuple[list[str], str]]] = {}
    for kind, listed in _LONG_TIES.items():
        for tie in listed.split("|"):
            found.setdefault(tie.split()[0], []).append((tie.split(), kind))
    for ties in found.values():
        ties.sort(key=lambda each: -len(each[0]))
    return found


_TIES = _ties_by_first_word()


@dataclass(frozen=True)
class Reading:
    """What the classifier understands of a text.

    `shares` are (class number, share) with the largest first; they sum to 1, or there are none.
    `confidence`, 0 to 1, scales the classifier's pull. `words` are the phrases that were read, as
    the table has them, with the weightiest first.
    """

    shares: tuple[tuple[int, float], ...]
    confidence: float
    words: tuple[str, ...]


NOTHING = Reading((), 0.0, ())


@dataclass(frozen=True)
class _Sense:
    """What a phrase means: classes with shares that sum to 1 (or none), and how it is used."""

    shares: tuple[tuple[int, float], ...]
    confidence: float
    container: bool = False
    material: bool = False
    silent: bool = False  # says nothing of what is shown


_UNKNOWN = _Sense((), 0.0)
_SILENT = _Sense((), 0.0, silent=True)


@dataclass
class _Phrase:
    """One noun phrase of a text: how it is tied to the one before, and what is in it."""

    tie: str  # "first", "of", "and", "beside", "comma", "unseen" or "artist"
    found: list[tuple[str, _Sense]]

    def head(self) -> tuple[str, _Sense] | None:
        """Returns the last thing named, or None where there is none."""
        named = [item for item in self.found if not item[1].silent]
        while len(named) > 1 and named[-1][1].container and not named[-1][1].shares:
            named.pop()  # "a wolf pack"
        return named[-1] if named else None

    def contains(self) -> bool:
        """Returns whether the phrase ends in a container that is no class ("a rose garden" of ...),
        or names nothing at all."""
        named = [sense for _, sense in self.found if not sense.silent]
        return not named or (named[-1].container and not named[-1].shares)


class WordTable:
    """A table of phrases with the classes they name."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self._senses: dict[str, _Sense] = {}  # of the values that were needed
        self._starts = {phrase.partition(" ")[0] for phrase in values if " " in phrase}

    def __len__(self) -> int:
        """Returns the number of phrases."""
        return len(self._values)

    @classmethod
    def parse(cls, text: str) -> WordTable:
        """Returns the table that a text describes; raises ValueError with the line at fault."""
        if len(text) > _MAX_TABLE:
            raise ValueError(f"the table of words is longer than {_MAX_TABLE} characters")
        header, _, body = text.partition("\n")
        if header != HEADER:
            raise ValueError(f"line 1 of the table of words: expected {HEADER}")
        line = 2
        remarks = _REMARKS.match(body)
        if remarks:
            body, line = body[remarks.end() :], line + remarks[0].count("\n")
        body = body.removesuffix("\n")
        # Lines are checked all together, because a loop over them would delay a command.
        cells = body.replace("\n", "\t").split("\t") if body else []
        phrases, meanings = cells[::2], cells[1::2]
        values = dict(zip(phrases, meanings, strict=False))
        if (
            len(values) < len(phrases)
            or "\n".join(map("\t".join, zip(phrases, meanings, strict=False))) != body
            or not _are_phrases(phrases)
            or not all(map(_VALUE.fullmatch, set(meanings)))
        ):
            raise ValueError(_fault(body, line))
        return cls(values)

    def _sense(self, phrase: str) -> _Sense:
        """Returns what a phrase of the table means."""
        value = self._values[phrase]
        if value not in self._senses:
            self._senses[value] = _parse_sense(value)
        return self._senses[value]

    def read(self, text: str) -> Reading:
        """Returns what the classifier understands of the first 2,000 characters of a text."""
        weights: dict[str, tuple[_Sense, float, float]] = {}
        for name, sense, weight, factor in _weigh(self._phrases(_words(text[:MAX_TEXT]))):
            if sense.shares and name not in weights:
                weights[name] = (sense, weight * sense.confidence, factor * sense.confidence)
        if not weights:
            return NOTHING
        totals: dict[int, float] = {}
        for sense, weight, _ in weights.values():
            for number, share in sense.shares:
                totals[number] = totals.get(number, 0.0) + weight * share
        largest = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:_MAX_READ]
        total = sum(weight for _, weight in largest)
        return Reading(
            tuple((number, weight / total) for number, weight in largest),
            max(confidence for _, _, confidence in weights.values()),
            tuple(sorted(weights, key=lambda name: -weights[name][1])),
        )

    def _phrases(self, words: list[str]) -> list[_Phrase]:
        """Returns the noun phrases of the words of a text."""
        phrases = [_Phrase("first", [])]
        at = 0

        def begin(tie: str) -> None:
            if phrases[-1].found:
                phrases.append(_Phrase(tie, []))
            elif phrases[-1].tie not in ("first", "and") or tie in ("unseen", "artist"):
                # "a wolf howling at the moon": nothing between the two
                phrases[-1].tie = tie

        while at < len(words):
            word = words[at]
            if word == _BREAK:
                begin("comma")
                at += 1
                continue
            tie, length = _tie(words, at)
            if length > 1:
                begin(tie)
                at += length
                continue
            if self._acts(words, at, phrases[-1]):
                begin("beside")
                at += 1
                continue
            found, used = self._longest_match(words, at)
            if found is not None and (used > 1 or not (tie or word in _DETERMINERS)):
                acts = word in _VERBS and used == 1 and _shows(phrases[-1])
                phrases[-1].found.append((found, _SILENT if acts else self._sense(found)))
                at += used
                continue
            at += 1
            if tie:
                begin(tie)
            elif word in _DETERMINERS:
                if any(sense is not _SILENT for _, sense in phrases[-1].found):
                    begin("beside")
            elif _is_participle(word):
                if _shows(phrases[-1]) or at == len(words) or _ends_phrase(words[at]):
                    begin("beside")
            else:
                silent = _is_silent(word, words[at] if at < len(words) else _BREAK)
                phrases[-1].found.append((word, _SILENT if silent else _UNKNOWN))
        return phrases

    def _acts(self, words: Sequence[str], at: int, phrase: _Phrase) -> bool:
        """Returns whether a word is a participle although phrases of the table begin with it: "cats
        riding horses", "a beaver building a dam"."""
        if not words[at].endswith("ing") or not _shows(phrase):
            return False
        if at + 1 < len(words) and words[at + 1] in _DETERMINERS:
            return True
        return _is_participle(words[at]) and words[at] not in self._values

    def _longest_match(self, words: Sequence[str], at: int) -> tuple[str | None, int]:
        """Returns the longest phrase of the table that begins at a word, and how many words it has.

        Words are tried as they are, then in the singular.
        """
        most = 1
        if words[at] in self._starts or any(form in self._starts for form in _forms(words[at])):
            most = min(_MAX_PHRASE_WORDS, len(words) - at)
        for size in range(most, 0, -1):
            part = words[at : at + size]
            if size > 1 and _BREAK in part:
                continue
            starts = [" ".join(part[:-1])]
            if size > 1:
                singulars = [_forms(word) for word in part[:-1]]
                starts += [
                    " ".join(each[min(i, len(each) - 1)] for each in singulars) for i in (1, 2)
                ]
                starts = list(dict.fromkeys(starts))
            for last in _forms(part[-1]):
                for start in starts:
                    phrase = f"{start} {last}" if start else last
                    if phrase in self._values:
                        return phrase, size
        return None, 0


def _shows(phrase: _Phrase) -> bool:
    """Returns whether a phrase has named something that a class shows."""
    return any(sense.shares for _, sense in phrase.found)


def _are_phrases(phrases: Collection[str]) -> bool:
    """Returns whether all may be phrases of a table: words apart by single spaces."""
    joined = f"|{'|'.join(phrases)}|"
    return not phrases or (
        joined.isprintable()
        and joined == joined.lower()
        and not any(each in joined for each in ("  ", " |", "| ", "||"))
        and joined.count("|") == len(phrases) + 1
        and max(map(len, phrases)) <= _MAX_PHRASE
    )


def _parse_sense(value: str) -> _Sense:
    """Returns the meaning that a well-formed value of a table gives."""
    if value in ("-", "."):
        return _SILENT if value == "." else _UNKNOWN
    named = value.lstrip("@=")
    flags = value[: len(value) - len(named)]
    confidence, _, listed = named.partition(" ")
    pairs = [pair.split(":") for pair in listed.split()]
    total = sum(int(share) for _, share in pairs)
    return _Sense(
        tuple((int(number), int(share) / total) for number, share in pairs),
        int(confidence or 0) / 100,
        container="@" in flags,
        material="=" in flags,
    )


def _fault(body: str, first: int) -> str:
    """Returns what is wrong with the first malformed one of lines that begin with a number."""
    seen: set[str] = set()
    for number, line in enumerate(body.split("\n"), start=first):
        phrase, tab, value = line.partition("\t")
        where = f"line {number} of the table of words"
        if not tab or not _are_phrases([phrase]):
            return f"{where}: expected a phrase in lower case, a tab, and its meaning"
        if phrase in seen:
            return f"{where}: the phrase stands there twice"
        if not _VALUE.fullmatch(value):
            return f"{where}: expected a meaning such as '95 269:50 270:50'"
        seen.add(phrase)
    return "the table of words is malformed"


def _weigh(phrases: Sequence[_Phrase]) -> Iterator[tuple[str, _Sense, float, float]]:
    """Yields each thing that the phrases show, with its weight and the factor of its confidence."""
    main = True  # nothing has been shown yet
    weight, factor = 1.0, 1.0
    container = False  # the phrase before ends in one
    hidden = ""
    for phrase, following in zip(phrases, [*phrases[1:], _Phrase("first", [])], strict=True):
        head, tie = phrase.head(), phrase.tie
        if tie in ("unseen", "artist"):
            hidden = tie
        elif tie != "and" and (tie != "of" or hidden == "artist"):
            hidden = ""
        is_material = tie == "of" and not container and head is not None and head[1].material
        if hidden or is_material:
            continue
        if main:
            weight = 1.0
        elif tie == "of":
            weight *= 1.0 if container else _PART
        elif tie != "and":
            weight = _SECOND
        content = following.head() if following.tie == "of" else None
        filled = content is not None and bool(content[1].shares)
        if head is None or (filled and phrase.contains()):
            container = container or phrase.contains()
            continue
        name, sense = head
        container = sense.container
        outweighed = container and filled
        if sense.shares:
            yield name, sense, weight * (_PART if outweighed else 1.0), factor
            main = main and outweighed
        elif not container:
            factor = _BESIDE_UNKNOWN


def _words(text: str) -> list[str]:
    """Returns the words of a text in lower case without accents, and "," for what parts them."""
    plain = unicodedata.normalize("NFKD", text.lower())[:MAX_TEXT]  # it may have grown much
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"['\u2019\u02bc`]s\b", "", plain)
    plain = re.sub(r"\b(st|mt|dr|mr|mrs)\.", r"\1", plain)  # "st. bernard" is one phrase
    plain = re.sub(r"['\u2019\u02bc`_\u2010\u2011-]", " ", plain).replace("&", " and ")
    return [
        found if found[0].isalnum() else _BREAK for found in re.findall(r"[^\W_]+|[^\w\s]", plain)
    ]


def _forms(word: str) -> list[str]:
    """Returns the word and what its singular may be, likeliest first."""
    if word in _IRREGULAR:
        return [word, _IRREGULAR[word]]
    forms = [word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies"):
            forms += [word[:-3] + "y"]
        elif word.endswith("ives"):
            forms += [word[:-3] + "fe"]
        elif word.endswith("ves"):
            forms += [word[:-3] + "f"]
        elif word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            forms += [word[:-2]]
        forms += [word[:-1]]
        if word.endswith("sses"):
            forms = [word, word[:-2]]
    elif len(word) > 5 and word.endswith("men"):
        forms += [word[:-2] + "an"]
    return forms


def _tie(words: list[str], at: int) -> tuple[str, int]:
    """Returns how the word or words at a place tie the next phrase to the one before ("" if they do
    not), and how many words do."""
    word = words[at]
    for phrase, tie in _TIES.get(word, ()):
        if words[at : at + len(phrase)] == phrase:
            return tie, len(phrase)
    if word == "of":
        return "of", 1
    if word == "by":
        # "a house by the river", "a cart pulled by horses"; but "a house by Turner"
        following = words[at + 1] if at + 1 < len(words) else ""
        passive = at > 0 and words[at - 1].endswith("ed")
        return ("beside" if passive or following in _DETERMINERS else "artist"), 1
    if word in _EQUAL:
        return "and", 1
    if word in _UNSEEN:
        return "unseen", 1
    return ("beside" if word in _BESIDE else ""), 1


def _ends_phrase(word: str) -> bool:
    """Returns whether no noun phrase goes on with this word."""
    return word == _BREAK or word in _DETERMINERS or word in _BESIDE or word in ("of", "by", "and")


def _is_participle(word: str) -> bool:
    """Returns whether a word ends like a participle: "howling", but not "king" or "evening"."""
    return len(word) > 4 and word.endswith("ing") and word not in _NO_PARTICIPLE


def _is_silent(word: str, following: str) -> bool:
    """Returns whether a word that no table has is no noun by its look ("8k", "slowly", "drowned")
    or its place ("devours the")."""
    return (
        word[0].isdigit()
        or (len(word) > 4 and word.endswith(("ed", "ly")))
        or (following in _DETERMINERS and word.endswith("s") and not word.endswith("ss"))
    )
