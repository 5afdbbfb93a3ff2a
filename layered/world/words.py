"""The words of the captions, attribute by attribute, and the words kept out of them for evaluation."""

from __future__ import annotations

COLOUR_WORDS = {
    "red": ("red", "scarlet", "ruby", "cherry red", "bright red", "ruby red", "blood red", "tomato red"),
    "orange": ("orange", "tangerine", "bright orange", "pumpkin orange", "amber", "carrot orange"),
    "yellow": ("yellow", "golden", "gold", "bright yellow", "canary yellow", "sunny yellow"),
    "green": ("green", "emerald", "bright green", "grass green", "emerald green", "leaf green"),
    "blue": ("blue", "sapphire", "bright blue", "royal blue", "navy", "deep blue", "navy blue"),
    "purple": ("purple", "plum", "lilac", "magenta purple", "bright purple", "deep purple", "plum purple"),
    "pink": ("pink", "rose", "rosy", "bright pink", "bubblegum pink", "hot pink", "rose pink"),
    "white": ("white", "ivory", "snow white", "pale white", "bright white", "milky white"),
    "black": ("black", "jet black", "ebony", "dark black", "pitch black", "coal black"),
}

KIND_WORDS = {
    "balloon": ("balloon", "hot air balloon", "hot-air balloon", "air balloon"),
    "airship": ("airship", "blimp", "dirigible", "air ship"),
    "sailboat": ("sailboat", "sailing boat", "boat", "sailing ship", "ship"),
    "lighthouse": ("lighthouse", "light house", "tall lighthouse", "lighthouse tower"),
    "cabin": ("cabin", "house", "hut", "wooden house", "log cabin", "wooden cabin", "home"),
    "tree": ("tree", "leafy tree", "round tree", "lone tree"),
    "tent": ("tent", "camping tent", "canvas tent", "pointed tent"),
    "windmill": ("windmill", "wind mill", "old windmill", "mill"),
    "castle": ("castle", "stone castle", "palace", "castle with towers"),
    "pagoda": ("pagoda", "temple", "asian temple", "tiered pagoda"),
}

SIZE_WORDS = {
    "small": ("small", "little", "tiny", "distant"),
    "large": ("large", "big", "giant", "great"),
}

PLACE_WORDS = {
    "left": ("on the left", "at the left", "to the left", "on the left side", "at left"),
    "centre": ("in the middle", "in the centre", "in the center", "at the centre", "in the middle of the picture"),
    "right": ("on the right", "at the right", "to the right", "on the right side", "at right"),
}

TIME_PHRASES = {
    "dawn": (
        "at dawn",
        "at sunrise",
        "in the early morning",
        "at daybreak",
        "at first light",
        "in the morning",
        "as the sun rises",
    ),
    "noon": ("at noon", "at midday", "in broad daylight", "by day", "during the day", "on a bright day", "in the daylight"),
    "afternoon": (
        "in the afternoon",
        "in the late afternoon",
        "in warm afternoon light",
        "on a golden afternoon",
        "in the mellow afternoon sunshine",
    ),
    "sunset": (
        "at sunset",
        "in the evening",
        "in the setting sun",
        "as the sun sets",
        "in the evening glow",
        "in the sunset light",
    ),
    "dusk": (
        "at dusk",
        "at nightfall",
        "after sunset",
        "in the blue hour",
        "in the late evening",
        "as darkness falls",
        "in the dusk",
    ),
    "night": (
        "at night",
        "by night",
        "at midnight",
        "in the dark night",
        "under the stars",
        "in the dark",
        "under a starry sky",
        "during the night",
    ),
}

TIME_TAGS = {
    "dawn": ("dawn", "sunrise", "daybreak", "early morning", "morning", "first light"),
    "noon": ("noon", "midday", "day", "daylight", "bright day"),
    "afternoon": ("afternoon", "late afternoon", "golden afternoon", "afternoon light"),
    "sunset": ("sunset", "evening", "evening glow", "setting sun"),
    "dusk": ("dusk", "nightfall", "blue hour", "late evening"),
    "night": ("night", "midnight", "starry night", "dark night", "nighttime"),
}

WEATHER_PHRASES = {
    "clear": ("under a clear sky", "in clear weather", "with a clear sky", "in fine weather"),
    "cloudy": (
        "under a cloudy sky",
        "cloudy",
        "with many clouds",
        "under heavy clouds",
        "in cloudy weather",
        "under an overcast sky",
        "overcast",
    ),
    "fog": ("in the fog", "foggy", "in thick fog", "in the mist", "misty", "shrouded in mist", "in foggy weather"),
    "rain": ("in the rain", "rainy", "in pouring rain", "on a rainy day", "in heavy rain", "in a rain shower", "rain falling"),
    "snow": (
        "in falling snow",
        "snowing",
        "while it snows",
        "snow falling",
        "in a snowfall",
        "with snowflakes in the air",
        "in snowy weather",
    ),
    "rainbow": ("with a rainbow", "under a rainbow", "a rainbow in the sky", "a colourful rainbow", "with a bright rainbow"),
    "aurora": (
        "under the aurora",
        "with northern lights",
        "under the northern lights",
        "with an aurora",
        "the aurora in the sky",
        "under green polar lights",
    ),
}

WEATHER_TAGS = {
    "clear": ("clear sky", "clear weather", "clear", "fine weather"),
    "cloudy": ("cloudy", "clouds", "overcast", "cloudy sky"),
    "fog": ("fog", "foggy", "mist", "misty"),
    "rain": ("rain", "rainy", "pouring rain", "rain shower"),
    "snow": ("snowfall", "snowing", "falling snow", "snowflakes"),
    "rainbow": ("rainbow", "colourful rainbow", "a rainbow"),
    "aurora": ("aurora", "northern lights", "polar lights"),
}

TERRAIN_WORDS = {
    "snowy mountains": (
        "snowy mountains",
        "snow-covered mountains",
        "white mountains",
        "snowy peaks",
        "the snowy alps",
        "mountains with snow",
        "icy mountains",
    ),
    "rocky mountains": (
        "rocky mountains",
        "bare mountains",
        "stone mountains",
        "rugged mountains",
        "rocky peaks",
        "grey mountains",
        "mountains of bare rock",
    ),
    "green hills": ("green hills", "rolling hills", "grassy hills", "soft green hills", "hills", "hillsides"),
    "red canyon": ("a red canyon", "red cliffs", "red rock mesas", "canyon walls", "a canyon", "red sandstone rocks"),
    "sand dunes": ("sand dunes", "dunes", "golden dunes", "high dunes", "dunes of sand", "sandy hills"),
    "pine forest": (
        "a pine forest",
        "a forest",
        "dark pines",
        "a fir forest",
        "pine trees",
        "evergreen forest",
        "a dense forest",
    ),
    "none": ("a flat horizon", "an open horizon", "a wide horizon"),
}

GROUND_WORDS = {
    "lake": ("a lake", "a calm lake", "still water", "a mountain lake", "the lake", "a quiet lake", "a lake with reflections"),
    "sea": ("the sea", "the open sea", "a blue sea", "the waves", "a wavy sea", "sea waves", "the seaside water"),
    "meadow": (
        "a meadow",
        "a flower meadow",
        "a field of flowers",
        "a green meadow",
        "grass with flowers",
        "wildflowers",
        "a grassland",
    ),
    "lavender field": ("a lavender field", "rows of lavender", "lavender", "lavender fields", "purple lavender rows"),
    "snow field": ("a snow field", "a snowy field", "deep snow", "a field of snow", "snow on the ground", "a snow-covered plain"),
    "desert": ("a desert", "desert sand", "the desert", "sand", "a sandy desert", "a sandy plain"),
    "wheat field": ("a wheat field", "golden wheat", "a cornfield", "fields of wheat", "ripe wheat", "a field of grain"),
}

BODY_WORDS = {
    "sun": ("the sun", "sun", "a shining sun", "a bright sun", "sunshine with the sun"),
    "full moon": ("a full moon", "full moon", "the moon", "a round moon", "a bright moon"),
    "crescent moon": ("a crescent moon", "crescent moon", "a half moon", "a thin moon", "the crescent of the moon"),
}

OPENINGS = ("a picture of", "a painting of", "a view of", "a landscape with", "a photo of", "a scene with", "an image of")

# Words that no caption contains, with what a reader would take them for: the test of what the text encoder carries over.
HELD_OUT: dict[str, str] = {
    "crimson": "red",
    "vermilion": "red",
    "burgundy": "red",
    "apricot": "orange",
    "rust": "orange",
    "lemon": "yellow",
    "mustard": "yellow",
    "saffron": "yellow",
    "jade": "green",
    "lime": "green",
    "olive": "green",
    "azure": "blue",
    "cobalt": "blue",
    "violet": "purple",
    "mauve": "purple",
    "fuchsia": "pink",
    "salmon": "pink",
    "pearl": "white",
    "charcoal": "black",
    "obsidian": "black",
    "twilight": "dusk",
    "gloaming": "dusk",
    "sundown": "sunset",
    "sunup": "dawn",
    "daytime": "noon",
    "moonlight": "night",
    "starlight": "night",
    "cottage": "cabin",
    "shack": "cabin",
    "farmhouse": "cabin",
    "fortress": "castle",
    "citadel": "castle",
    "yacht": "sailboat",
    "schooner": "sailboat",
    "catamaran": "sailboat",
    "zeppelin": "airship",
    "oak": "tree",
    "maple": "tree",
    "teepee": "tent",
    "shrine": "pagoda",
    "summits": "snowy mountains",
    "crags": "rocky mountains",
    "knolls": "green hills",
    "gorge": "red canyon",
    "woodland": "pine forest",
    "ocean": "sea",
    "pond": "lake",
    "prairie": "meadow",
    "tundra": "snow field",
    "sahara": "desert",
    "barley": "wheat field",
    "haze": "fog",
    "drizzle": "rain",
    "downpour": "rain",
    "blizzard": "snow",
    "huge": "large",
    "enormous": "large",
    "miniature": "small",
}
