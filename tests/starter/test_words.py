"""The reading of texts for the classifier: its rules on a small table, prompts on the real one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.starter.words import NOTHING, Reading, WordTable
from render.weights.catalog import PERCEPTORS
from render.weights.library import require_weights, weights_metadata

TABLE = weights_metadata(require_weights(PERCEPTORS["starter-objects"]))["words"]

SMALL = WordTable.parse(
    """render.words.1
# remarks come first
wolf\t90 1:60 2:40
tiger\t90 3:100
tiger shark\t90 4:100
bridge\t90 5:100
stone\t=
glass\t=50 6:100
field\t@
pack\t@
vase\t@80 7:100
flower\t60 8:100
person\t-
van\t90 9:100
fly\t90 10:100
owl\t90 11:100
building\t-
beaver\t90 12:100
sewing machine\t90 13:100
knife\t70 14:100
jack o lantern\t90 15:100
howl\t.
oil painting\t.
leaf\t50 16:100
above\t.
mouse\t40 17:100
"""
)


def read(text: str) -> dict[int, float]:
    """Returns what the small table reads, shares to two decimals."""
    return {number: round(share, 2) for number, share in SMALL.read(text).shares}


# ---- the table


def test_an_entry_has_shares_that_sum_to_one_largest_first_and_a_confidence() -> None:
    table = WordTable.parse("render.words.1\nwolf\t95 270:25 269:50 271:25\n")
    assert table.read("a wolf") == Reading(((269, 0.5), (270, 0.25), (271, 0.25)), 0.95, ("wolf",))
    assert len(table) == 1


def test_an_empty_table_reads_nothing() -> None:
    assert WordTable.parse("render.words.1").read("a wolf") == NOTHING
    assert WordTable.parse("render.words.1\n# only a remark\n").read("a wolf") == NOTHING


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("render.words.2\nwolf\t90 1:100\n", 1),
        ("render.words.1\nwolf 90 1:100\n", 2),
        ("render.words.1\nwolf\t90\n", 2),
        ("render.words.1\nwolf\t90 1:100\nwolf\t90 2:100\n", 3),
        ("render.words.1\nwolf\t0 1:100\n", 2),
        ("render.words.1\nwolf\t101 1:100\n", 2),
        ("render.words.1\nwolf\t90 1000:100\n", 2),
        ("render.words.1\nwolf\t90 1:0\n", 2),
        ("render.words.1\nwolf\t90 -1:100\n", 2),
        ("render.words.1\nwolf\t90 1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1\n", 2),
        ("render.words.1\nwolf\t\n", 2),
        ("render.words.1\nwolf\t90 1:100\textra\n", 2),
        ("render.words.1\n# remark\na\t.\nWolf\t90 1:100\n", 4),
        ("render.words.1\n wolf\t90 1:100\n", 2),
        ("render.words.1\ngrey  wolf\t90 1:100\n", 2),
        ("render.words.1\ngrey|wolf\t90 1:100\n", 2),
        ("render.words.1\n\t90 1:100\n", 2),
        ("render.words.1\nwolf\t90 1:100\n\nfox\t90 2:100\n", 3),
        ("render.words.1\nwolf\t90 1:100\n# late\n", 3),
        ("render.words.1\nwo\x1blf\t90 1:100\n", 2),
        (f"render.words.1\n{'w' * 81}\t90 1:100\n", 2),
        ("render.words.1\nwolf\t90 1:100\r\n", 2),
        ("render.words.1\nwolf\t\u0669\u0660 1:100\n", 2),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=rf"^line {line} of the table of words: "):
        WordTable.parse(text)


def test_a_table_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 4000000 characters"):
        WordTable.parse("render.words.1\n" + "#" * 4_000_000)


@given(st.text(max_size=300))
def test_a_damaged_table_raises_nothing_but_value_error(text: str) -> None:
    for table in (text, f"render.words.1\n{text}", f"render.words.1\nwolf\t{text}"):
        message = "line 1 of the table of words"
        try:
            WordTable.parse(table).read("a wolf of glass")
        except ValueError as error:
            message = str(error)
        assert re.match(r"line \d+ of the table of words", message)


# ---- the rules


def test_the_longest_phrase_is_read() -> None:
    assert read("a tiger") == {3: 1.0}
    assert read("a tiger shark") == {4: 1.0}


def test_the_last_thing_of_a_phrase_is_its_head() -> None:
    assert read("a tiger van") == {9: 1.0}
    assert read("a stone bridge") == {5: 1.0}


def test_an_unknown_head_makes_the_phrase_unknown() -> None:
    assert read("a tiger person") == {}
    assert read("a tiger lawyer") == {}
    assert read("vincent van gogh") == {}


@pytest.mark.parametrize("text", ["a wolf howls", "a drowned wolf", "a wolf drowned", "wolf 8k"])
def test_words_that_are_no_nouns_change_nothing(text: str) -> None:
    assert read(text) == {1: 0.6, 2: 0.4}


@pytest.mark.parametrize(
    "text",
    [
        "wolves",
        "WOLVES",
        "a wolf's",
        "the wolves' howling",
        "wölf",
        "wolf\u2019s",
        "(wolf)",
        "wolf-",
    ],
)
def test_case_accents_plurals_and_possessives_do_not_matter(text: str) -> None:
    assert read(text) == {1: 0.6, 2: 0.4}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("knives", 14),
        ("leaves", 16),
        ("mice", 17),
        ("flies", 10),
        ("vases", 7),
        ("jack-o'-lanterns", 15),
        ("tiger-sharks", 4),
        ("sewing machines", 13),
    ],
)
def test_plurals_are_found(text: str, number: int) -> None:
    assert read(text) == {number: 1.0}


@pytest.mark.parametrize(
    "text", ["a field of wolves", "a wolf pack", "a wolf field", "a pack of fields of wolves"]
)
def test_containers_pass_on_what_they_contain(text: str) -> None:
    assert read(text) == {1: 0.6, 2: 0.4}


def test_a_container_that_is_a_class_is_shown_less_than_what_it_contains() -> None:
    assert read("a vase") == {7: 1.0}
    assert read("a flower vase") == {7: 1.0}
    shares = read("a vase of flowers")
    assert shares[8] > shares[7] > 0
    assert read("a vase of sadness") == {7: 1.0}


def test_materials_and_styles_are_not_shown() -> None:
    assert read("a wolf made of glass") == {1: 0.6, 2: 0.4}
    assert read("a wolf made of flowers and leaves") == {1: 0.6, 2: 0.4}
    assert read("a wolf of glass") == {1: 0.6, 2: 0.4}
    assert read("a wolf in the style of an owl") == {1: 0.6, 2: 0.4}
    assert read("a wolf, oil painting") == {1: 0.6, 2: 0.4}
    assert read("a wolf oil painting") == {1: 0.6, 2: 0.4}
    assert read("oil painting") == {}
    assert read("a glass") == {6: 1.0}


def test_what_is_denied_is_not_shown() -> None:
    assert read("a wolf without a vase") == {1: 0.6, 2: 0.4}
    assert read("a wolf like a tiger") == {1: 0.6, 2: 0.4}
    assert read("not a tiger") == {}


def test_artists_are_not_shown_but_places_and_doers_are() -> None:
    assert read("a tiger by Owl") == {3: 1.0}
    assert read("a picture painted by Owl") == {}
    assert set(read("a tiger by the bridge")) == {3, 5}
    assert set(read("a van followed by tigers")) == {9, 3}


def test_the_main_thing_has_most_of_the_weight() -> None:
    shares = read("a tiger on a bridge")
    assert shares[3] == pytest.approx(0.71)
    assert shares[5] == pytest.approx(0.29)
    assert SMALL.read("a tiger on a bridge").words == ("tiger", "bridge")


def test_equals_have_equal_weight() -> None:
    assert read("a tiger and an owl") == {3: 0.5, 11: 0.5}


def test_something_beside_an_unknown_thing_is_shown_with_less_confidence() -> None:
    beside = SMALL.read("a unicorn on a bridge")
    assert beside.shares == ((5, 1.0),)
    assert 0.5 < beside.confidence < SMALL.read("a bridge").confidence


def test_participles_part_phrases() -> None:
    assert set(read("a tiger crossing a bridge")) == {3, 5}
    assert set(read("wolves riding tigers")) == {1, 2, 3}
    assert set(read("a beaver building a bridge")) == {12, 5}
    assert read("a burning bridge") == {5: 1.0}
    assert read("a sewing machine") == {13: 1.0}


def test_a_plural_that_is_a_verb_is_one_after_a_noun() -> None:
    assert read("an owl flies over") == {11: 1.0}


def test_grammar_comes_before_the_table() -> None:
    assert set(read("a tiger above a bridge")) == {3, 5}
    assert read("a tiger above rome") == {3: 1.0}


def test_only_the_first_2000_characters_are_read() -> None:
    assert read("x " * 1000 + "tiger") == {}
    assert read("tiger" + " x" * 100_000) == {3: 1.0}


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    for prompt in (text, f"a wolf {text} tiger", f"{text}s of glass"):
        reading = SMALL.read(prompt)
        shares = [share for _, share in reading.shares]
        assert shares == sorted(shares, reverse=True)
        assert 0 <= reading.confidence <= 1
        assert bool(shares) == bool(reading.confidence) == bool(reading.words)
        assert not shares or sum(shares) == pytest.approx(1)


# ---- the real table


@pytest.fixture(scope="module")
def table() -> WordTable:
    """The table that comes with the starter models."""
    return WordTable.parse(TABLE)


def test_the_table_is_small_and_rich(table: WordTable) -> None:
    assert len(TABLE) < 700_000
    assert len(table) > 15_000


# Prompts with the class that should have the largest share (several, if any of them will do).
SHOWN = """
a cathedral in the fog: 497
a jellyfish made of glass: 107
an old ship in a storm: 780 724
a lighthouse at dusk: 437
a castle on a hill: 483
a volcano erupting at night: 980
a field of sunflowers: 985
a forest of giant mushrooms: 947 992
an astronaut riding a horse: 339
a mountain lake at sunrise: 975
a galaxy in a bottle: 440 907
a steam train crossing a bridge: 820
a cat wearing a crown: 281
a wolf howling at the moon: 269
a coral reef full of fish: 973
a temple in the jungle: 832
ancient ruins overgrown with vines: 500
a desert caravan: 354
a hot air balloon over the valley: 417
a peacock made of stained glass: 84
a tiger in the snow: 292
a butterfly on a flower: 323
an owl made of clockwork: 24
a spaceship landing: 812
a baroque palace: 698
a gothic church interior: 884 406
a library with endless shelves: 624
a tea party in the garden: 968 849
a bowl of fruit, oil painting: 950 948
a violin melting: 889
a clock melting in the desert: 409 892
fireworks over the harbour: 536
a dream of electric sheep: 348
a maze of mirrors: 646
a psychedelic elephant: 385
a vintage car on a desert road: 661
a pirate ship: 724
a dog in a field: 207
a strawberry on a plate: 949
a stone bridge over a river: 888
a tiger shark: 3
a house finch on a branch: 12
a rain barrel: 756
a night snake: 60
a horse chestnut: 990
a wolf spider: 77
brain coral: 109
a water tower at sunset: 900
a portrait of a tiger in the style of Van Gogh: 292
a girl with a red balloon: 417
a whale flying through the clouds: 147
an enchanted forest with glowing mushrooms: 947
a wizard's tower on a cliff: 483
a steampunk airship above london: 405
a spider's web covered in dew: 815
a herd of elephants crossing the savanna: 385
a vase of roses: 883
still life with skull and candle: 470
a grand piano on the beach: 579
an old typewriter: 878
pizza in space: 963
an alien spaceship over a city: 812
a witch flying on a broomstick: 462
a carousel at night: 476
a parrot on the shoulder of a pirate: 88
a treasure chest at the bottom of the ocean: 492
a sunken ship surrounded by fish: 913
a submarine exploring the deep sea: 833
an umbrella in the rain: 879
a lion's head: 291
the eye of the tiger: 292
a unicorn in a magical forest: 339
a castle by the sea: 483
a castle by Greg Rutkowski: 483
gondolas in venice: 576
the taj mahal at sunrise: 668
stonehenge under the milky way: 649
cliffs by the sea: 976
an orange: 950
an orange cat on an orange sofa: 281
an owl flies over the forest: 24
a ship sails across the sea: 780
cats riding horses: 281
a beaver building a dam: 337
a frog prince wearing a golden crown: 31 30
a husky puppy: 250
a crane standing in a pond: 134
a construction crane over the city: 517
an elephant made of origami paper: 385
a jack-o'-lantern on halloween: 607
Jellyfish floating in outer space: 107
mountain goat: 350
a stained glass window of a wolf: 269
a ship in a bottle: 780
a haunted mansion on a hill: 698
an hourglass filled with stars: 604
soap bubbles: 971
a suit of armor: 524
a seal on a rock: 150
mice: 333
"""

# Prompts of which no class shows anything.
UNSHOWN = """
city of the future
a cyberpunk street in the rain
neon tokyo at night
the surface of mars
an underwater city
northern lights over a frozen sea
a windmill in a field of tulips
a stormy sea, oil on canvas
a skull with roses
angels in the clouds
a demon in hell
a cat person
a bat in a cave
a kite in the sky
the great wave off kanagawa
starry night by van gogh
alice in wonderland
a rose garden
a tree of life
lemon tree
cat eyes in the dark
a dream catcher
lord of the flies
wolf of wall street
the silence of the lambs
an orange and blue sky
a beautiful sunset in autumn
blue and gold
a lion's mane
trending on artstation, unreal engine
hyperrealistic portrait of a clown
thunder and lightning over the desert
chess pieces on a board
a crystal skull
a robot in a garden
"""


@pytest.mark.parametrize("line", SHOWN.strip().split("\n"))
def test_a_prompt_shows_its_class(table: WordTable, line: str) -> None:
    prompt, _, numbers = line.rpartition(": ")
    reading = table.read(prompt)
    assert reading.shares[0][0] in [int(number) for number in numbers.split()]
    assert reading.confidence >= 0.3


@pytest.mark.parametrize("prompt", UNSHOWN.strip().split("\n"))
def test_a_prompt_that_no_class_shows_pulls_nowhere(table: WordTable, prompt: str) -> None:
    assert table.read(prompt) == NOTHING


# A word of the prompt and a class that it must not bring in, which sentence vectors once did.
@pytest.mark.parametrize(
    ("prompt", "wrong"),
    [
        ("a haunted house", 12),
        ("a wolf howling at the moon", 77),
        ("a cyberpunk street in the rain", 756),
        ("a volcano erupting at night", 60),
        ("ancient ruins overgrown with vines", 59),
        ("an astronaut riding a horse", 990),
        ("a tiger in the snow", 3),
        ("a dragon breathing fire", 319),
        ("a peacock made of stained glass", 441),
        ("an owl made of clockwork", 892),
        ("a bowl of fruit, oil painting", 696),
        ("a maze of mirrors", 475),
        ("a desert caravan", 656),
        ("a treehouse in the rainforest", 31),
    ],
)
def test_a_word_does_not_bring_in_a_class_of_another_meaning(
    table: WordTable, prompt: str, wrong: int
) -> None:
    assert wrong not in [number for number, _ in table.read(prompt).shares]
