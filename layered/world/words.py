"""The plain words of the captions and of the evaluation's prompts, attribute by attribute; ``phrases`` adds further ones.

Phrases are separated by bars.
"""

from __future__ import annotations

from collections.abc import Mapping


def table(phrases: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Phrases by value, from texts that part them by bars."""
    return {value: tuple(phrase.strip() for phrase in text.split("|")) for value, text in phrases.items()}


COLOUR_WORDS = table(
    {
        "red": "red | scarlet | ruby | cherry red | bright red | ruby red | blood red | tomato red",
        "orange": "orange | tangerine | bright orange | pumpkin orange | amber | carrot orange",
        "yellow": "yellow | golden | gold | bright yellow | canary yellow | sunny yellow",
        "green": "green | emerald | bright green | grass green | emerald green | leaf green",
        "blue": "blue | sapphire | bright blue | royal blue | navy | deep blue | navy blue",
        "purple": "purple | plum | lilac | magenta purple | bright purple | deep purple | plum purple",
        "pink": "pink | rose | rosy | bright pink | bubblegum pink | hot pink | rose pink",
        "white": "white | ivory | snow white | pale white | bright white | milky white",
        "black": "black | jet black | ebony | dark black | pitch black | coal black",
        "brown": "brown | chocolate | chocolate brown | dark brown | hazel | hazel brown | coffee brown",
    }
)

KIND_WORDS = table(
    {
        "balloon": "balloon | hot air balloon | hot-air balloon | air balloon",
        "airship": "airship | blimp | dirigible | air ship",
        "plane": "plane | airplane | aeroplane | propeller plane",
        "bird": "bird | flying bird | soaring bird | wild bird",
        "kite": "kite | paper kite | flying kite | diamond kite",
        "sailboat": "sailboat | sailing boat | boat | sailing ship",
        "steamship": "steamship | steamer | steam ship | steamboat",
        "lighthouse": "lighthouse | light house | tall lighthouse | lighthouse tower",
        "cabin": "cabin | house | hut | wooden house | log cabin | wooden cabin | home",
        "tree": "tree | leafy tree | round tree | broad tree",
        "palm": "palm | palm tree | tropical palm | coconut palm",
        "tent": "tent | camping tent | canvas tent | pointed tent",
        "windmill": "windmill | wind mill | old windmill | mill",
        "castle": "castle | stone castle | palace | castle with towers",
        "pagoda": "pagoda | temple | asian temple | tiered pagoda",
        "church": "church | chapel | village church | old church",
        "bridge": "bridge | stone bridge | arched bridge | arch bridge",
        "train": "train | steam train | locomotive | railway train",
        "car": "car | automobile | motor car | motorcar",
        "deer": "deer | wild deer | graceful deer | stag",
        "horse": "horse | pony | wild horse | steed",
        "mushroom": "mushroom | toadstool | wild mushroom | fairytale mushroom",
        "snowman": "snowman | snow man | friendly snowman | round snowman",
        "rocket": "rocket | space rocket | rocket ship | spaceship",
    }
)

_PLURALS = {"deer": "deer", "man": "men", "snowman": "snowmen", "church": "churches", "house": "houses", "pony": "ponies"}


def plural(phrase: str) -> str:
    """A kind of object in the plural: "castle with towers" becomes "castles with towers"."""
    noun, link, rest = phrase.partition(" with ")
    *before, last = noun.split(" ")
    return " ".join([*before, _PLURALS.get(last, last + "s")]) + link + rest


COUNT_WORDS = {
    1: (*["a"] * 16, "one", "a single"),
    2: ("two", "two", "two", "a pair of", "a couple of"),
    3: ("three", "three", "three", "a group of three", "a row of three"),
}
PATTERN_BEFORE = {"striped": ("striped", "striped", "stripy", "boldly striped"), "plain": ("plain",)}
PATTERN_AFTER = {
    "striped": ("with stripes", "with stripes", "with white stripes", "with bold stripes", "covered in stripes"),
    "plain": ("without stripes",),
}

SIZE_WORDS = table({"small": "small | little | tiny | distant", "large": "large | big | giant | great"})

PLACE_WORDS = table(
    {
        "left": "on the left | at the left | to the left | on the left side | at left",
        "centre": "in the middle | in the centre | in the center | at the centre | in the middle of the picture",
        "right": "on the right | at the right | to the right | on the right side | at right",
    }
)

TIME_PHRASES = table(
    {
        "dawn": "at dawn | at sunrise | in the early morning | at daybreak | at first light | in the morning | as the sun rises",
        "noon": "at noon | at midday | in broad daylight | by day | during the day | on a bright day | in the daylight",
        "afternoon": "in the afternoon | in the late afternoon | in warm afternoon light | on a golden afternoon"
        " | in the mellow afternoon sunshine",
        "sunset": "at sunset | in the evening | in the setting sun | as the sun sets | in the evening glow | in the sunset light",
        "dusk": "at dusk | at nightfall | after sunset | in the blue hour | in the late evening | in the dusk",
        "night": "at night | by night | at midnight | in the dark night | under the stars | in the dark | under a starry sky"
        " | during the night",
    }
)
TIME_TAGS = table(
    {
        "dawn": "dawn | sunrise | daybreak | early morning | morning | first light",
        "noon": "noon | midday | day | daylight | bright day",
        "afternoon": "afternoon | late afternoon | golden afternoon | afternoon light",
        "sunset": "sunset | evening | evening glow | setting sun",
        "dusk": "dusk | nightfall | blue hour | late evening",
        "night": "night | midnight | starry night | dark night | nighttime",
    }
)

SEASON_PHRASES = table(
    {
        "spring": "in spring | in the spring | during spring | in fresh spring | in blossoming spring",
        "summer": "in summer | in the summer | during summer | in high summer",
        "autumn": "in autumn | in the autumn | in the fall | during autumn | in late autumn",
        "winter": "in winter | in the winter | during winter | in deep winter | in frosty winter",
    }
)
SEASON_TAGS = table(
    {
        "spring": "spring | spring season | spring colours",
        "summer": "summer | summer season | high summer",
        "autumn": "autumn | autumn season | autumn colours | the fall season",
        "winter": "winter | winter season | frosty winter",
    }
)

WEATHER_PHRASES = table(
    {
        "clear": "under a clear sky | in clear weather | with a clear sky | in fine weather",
        "cloudy": "under a cloudy sky | cloudy | with many clouds | under heavy clouds | in cloudy weather"
        " | under an overcast sky | overcast",
        "fog": "in the fog | foggy | in thick fog | in the mist | misty | shrouded in mist | in foggy weather",
        "rain": "in the rain | rainy | in pouring rain | in rainy weather | in heavy rain | in a rain shower | rain falling",
        "snow": "in falling snow | snowing | while it snows | snow falling | in a snowfall | with snowflakes in the air"
        " | in snowy weather",
        "storm": "in a storm | in a thunderstorm | with lightning | in a thunderstorm with lightning | stormy | in stormy weather"
        " | with a bolt of lightning | a lightning bolt in the sky | under dark storm clouds",
        "rainbow": "with a rainbow | under a rainbow | a rainbow in the sky | a colourful rainbow | with a bright rainbow",
        "aurora": "under the aurora | with northern lights | under the northern lights | with an aurora | the aurora in the sky"
        " | under green polar lights",
    }
)
WEATHER_TAGS = table(
    {
        "clear": "clear sky | clear weather | clear | fine weather",
        "cloudy": "cloudy | clouds | overcast | cloudy sky",
        "fog": "fog | foggy | mist | misty",
        "rain": "rain | rainy | pouring rain | rain shower",
        "snow": "snowfall | snowing | falling snow | snowflakes",
        "storm": "storm | thunderstorm | lightning | stormy | lightning bolt | storm clouds",
        "rainbow": "rainbow | colourful rainbow | a rainbow",
        "aurora": "aurora | northern lights | polar lights",
    }
)

TERRAIN_WORDS = table(
    {
        "snowy mountains": "snowy mountains | snow-covered mountains | white mountains | snowy peaks | the snowy alps"
        " | mountains with snow | icy mountains",
        "rocky mountains": "rocky mountains | bare mountains | stone mountains | rugged mountains | rocky peaks | grey mountains"
        " | mountains of bare rock",
        "green hills": "green hills | rolling hills | grassy hills | soft green hills | hills | hillsides",
        "red canyon": "a red canyon | red cliffs | red rock mesas | canyon walls | a canyon | red sandstone rocks",
        "sand dunes": "sand dunes | dunes | golden dunes | high dunes | dunes of sand | sandy hills",
        "pine forest": "a pine forest | a forest | dark pines | a fir forest | pine trees | evergreen forest | a dense forest",
        "volcano": "a volcano | a smoking volcano | a volcano with smoke | an active volcano | a volcanic mountain",
        "city skyline": "a city skyline | a city | skyscrapers | tall buildings | a big city | city towers | an urban skyline",
        "none": "a flat horizon | an open horizon | a wide horizon",
    }
)
GROUND_WORDS = table(
    {
        "lake": "a lake | a calm lake | still water | a mountain lake | the lake | a quiet lake | a lake with reflections",
        "sea": "the sea | the open sea | a blue sea | the waves | a wavy sea | sea waves | the seaside water",
        "river": "a river | a winding river | the river | a river in the grass | a river bank | a quiet river",
        "meadow": "a meadow | a flower meadow | a field of flowers | a green meadow | grass with flowers | wildflowers"
        " | a grassland",
        "lavender field": "a lavender field | rows of lavender | lavender | lavender fields | purple lavender rows",
        "snow field": "a snow field | a snowy field | deep snow | a field of snow | snow on the ground | a snow-covered plain",
        "desert": "a desert | desert sand | the desert | sand | a sandy desert | a sandy plain",
        "wheat field": "a wheat field | golden wheat | a cornfield | fields of wheat | ripe wheat | a field of grain",
    }
)
BODY_WORDS = table(
    {
        "sun": "the sun | sun | a shining sun | a bright sun | sunshine with the sun",
        "full moon": "a full moon | full moon | the moon | a round moon | a bright moon",
        "crescent moon": "a crescent moon | crescent moon | a half moon | a thin moon | the crescent of the moon",
    }
)

STYLE_BEFORE = table(
    {
        "natural": "a photo of | a photograph of | a natural view of | a lifelike picture of | a photo-like view of",
        "watercolour": "a watercolour of | a watercolor of | a watercolour painting of | a watercolor picture of | a painting of"
        " | a painted picture of",
        "pixel art": "pixel art of | a pixel art picture of | a pixel picture of | retro game art of | a blocky pixel image of",
        "ink sketch": "an ink sketch of | a pen and ink sketch of | a sketch of | an ink drawing of | a pen drawing of"
        " | a hatched drawing of",
        "neon": "a neon picture of | neon art of | a neon light picture of | a glowing neon image of | neon lines of",
    }
)
STYLE_AFTER = table(
    {
        "natural": "photo | photograph | natural colours | lifelike | photo-like",
        "watercolour": "in watercolour | watercolour | in watercolors | watercolor painting | painted in watercolours"
        " | in watercolour style",
        "pixel art": "pixel art | in pixel art style | as pixel art | pixels | retro game style | in blocky pixels",
        "ink sketch": "ink sketch | pen and ink | in pen and ink | drawn in ink | sketched with a pen | black ink drawing",
        "neon": "neon | in neon light style | in neon | neon style | drawn in neon lights | glowing neon lines",
    }
)

OPENINGS = ("a picture of", "a view of", "a landscape with", "a scene with", "an image of")
