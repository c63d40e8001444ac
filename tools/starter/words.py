"""The nouns whose drawings the perceptor learns, and texts that belong to no picture.

These texts are what people write and no caption says. In training each is pulled towards the
pictures whose captions are nearest in meaning, by the sentence encoder.
"""

from __future__ import annotations

_NOUNS = """
apple banana strawberry lemon orange pear cherry grapes pineapple watermelon peach mushroom carrot
tomato pepper corn pumpkin pizza bread cake cheese egg burger sandwich cookie doughnut chocolate
candy coffee tea beer wine bottle cup mug glass teapot spoon knife plate bowl dog cat horse cow
pig sheep rabbit mouse lion tiger elephant giraffe zebra monkey bear panda fox wolf bird duck
chicken rooster owl eagle parrot penguin swan fish shark whale dolphin octopus crab lobster snail
turtle frog snake lizard crocodile dragon unicorn butterfly bee ladybug spider ant beetle
dragonfly flower rose tulip sunflower daisy tree palm cactus leaf car bus truck train tractor
bicycle motorcycle airplane helicopter rocket ship boat sailboat balloon anchor wheel house church
castle lighthouse tower tent door window chair table bed lamp candle lantern bulb clock watch
hourglass telephone camera television radio computer keyboard printer guitar violin piano drum
trumpet bell book pencil pen scissors hammer saw axe wrench screwdriver key lock umbrella hat
crown shirt dress shoe boot glove bag suitcase basket box gift ring diamond ball football
basketball trophy dice kite heart star sun moon cloud rainbow snowflake snowman volcano mountain
skull ghost robot sword shield bomb ladder broom brush bucket feather shell bone eye globe compass
magnet microscope telescope coin
"""
NOUNS = frozenset(_NOUNS.split())

_LINES = """
dog cat horse bird fish tiger lion elephant dragon wolf fox bear rabbit butterfly whale dolphin
ship castle house village tower bridge road street car train robot spaceship rocket planet earth
mars jupiter sun moon star comet meteor space cosmos cosmic nebula universe astronomy solar eclipse
tree oak pine palm bush plant fern moss vine bamboo rose tulip sunflower lavender daisy lotus
garden park orchard vineyard farm field prairie savanna steppe tundra swamp marsh jungle rainforest
woodland grove taiga bog valley hill cliff ravine gorge plateau mesa peak summit glacier iceberg
avalanche blizzard frost snowstorm hail sleet icicle arctic antarctic polar winter spring summer
river stream creek brook waterfall cascade pond lagoon bay harbour coast shore seaside shoreline
beach island reef coral seaweed kelp aquarium abyss tide surf wave tsunami whirlpool lighthouse
ocean lake water rain drizzle downpour monsoon flood puddle storm thunder lightning hurricane
tornado cyclone typhoon wind breeze cloud fog mist haze smoke steam dew rainbow
fire flame blaze bonfire campfire torch candle ember sparks explosion inferno wildfire burning
lava magma volcano eruption molten volcanic ash furnace hell heat
dawn sunrise morning noon midday afternoon evening sunset dusk twilight nightfall night midnight
sunlight moonlight starlight daylight shadow darkness gloom glow shine gleam radiance light
city town skyline skyscraper metropolis downtown building architecture neon cyberpunk street_lamp
desert dune sahara oasis sand sandstorm wasteland canyon rock stone boulder cave crystal gem ruby
emerald sapphire amethyst jade pearl diamond gold silver bronze copper metal iron rust marble
wood timber plank bark leaf leaves foliage grass lawn hay wheat corn
scarlet crimson vermilion maroon burgundy coral_pink salmon peach apricot amber tangerine rust
lemon mustard ochre lime olive mint emerald_green sea_green aqua azure navy indigo sky_blue cobalt
lilac lavender mauve plum fuchsia rose_pink hot_pink chocolate coffee tan khaki ivory snow_white
charcoal ebony jet_black slate ash_grey dark bright vivid pale pastel colourful monochrome warm
cold hot cool glowing shiny golden misty foggy dusty icy frozen burning wet dry calm wild
peaceful dreamy dramatic mysterious magical serene gloomy sinister cheerful romantic surreal
"""

_PHRASES = """
dark clouds gather over the hills; the last light of day; first light; the golden hour; a new day
begins; stars over the desert; a storm at sea; the sea in a storm; waves crash on the shore;
deep in the ocean; beneath the waves; an endless ocean; turquoise lagoon; tropical paradise;
a burning forest; the forest is on fire; a river of lava; the gates of hell; a house on fire;
red hot metal; embers in the dark; a dragon breathing fire; fireworks in the night sky;
a snow covered mountain at dawn; alpine landscape; the himalayas; mount fuji; frozen lake;
winter night with aurora; polar night; lapland in winter; a frozen wasteland; ice and snow;
a walk in the woods; enchanted forest; dark fairy tale forest; fog in the forest; autumn in the
park; falling leaves; golden leaves; spring blossom; sakura in japan; a field of lavender;
a field of sunflowers; poppies in a field; tulip field; green pastures; irish hills; tuscany;
new york at night; tokyo at night in neon; futuristic city; cyberpunk city in the rain; city in the
fog; lights of the city; las vegas; manhattan skyline; the surface of mars; alien planet; alien
landscape; another world; deep space; a star is born; the birth of a galaxy; black hole; big bang;
stars and planets; the night before christmas; halloween night; full moon over the sea;
moonlit forest; moonrise; silver moon; solar eclipse; sunrise over the sea; sun over the clouds;
above the clouds; heaven; a view from an airplane; cotton candy clouds; thunder and lightning;
after the rain; rainy night; monsoon; a grey november day; a hot summer day; a cold winter day;
oil painting of a landscape; watercolour landscape; impressionist painting; by claude monet;
by vincent van gogh; starry night by van gogh; by william turner; japanese woodblock print;
photorealistic; highly detailed; matte painting; concept art; trending on artstation; unreal engine;
cinematic lighting; volumetric light; soft light; dark and moody; bright and airy; high contrast;
pastel colours; warm colours; cold colours; black and white; sepia; abstract art; psychedelic art;
a cup of coffee; a bowl of fruit; a portrait of a woman; a man with a hat; an old house;
a wooden boat; a pirate ship; a lonely tree; a path through the fields; a bridge over a river
"""


def article(name: str) -> str:
    """Returns the name with its indefinite article."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def extra_texts() -> list[str]:
    """Returns the words and phrases that belong to no picture, each once."""
    words = [word.replace("_", " ") for word in _LINES.split()]
    phrases = [" ".join(phrase.split()) for phrase in _PHRASES.split(";")]
    return list(dict.fromkeys([*words, *phrases]))
