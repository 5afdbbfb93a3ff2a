"""All phrases of the captions: those of ``words``, which the evaluation's prompts keep to, and further ones beside them.

Further words are there to teach the network how words lie in the text encoder's space, so that it understands others too.
"""

from __future__ import annotations

from collections.abc import Mapping

from layered.world import words as plain

Table = dict[str, tuple[str, ...]]


def _with(table: Table, further: Mapping[str, str]) -> Table:
    """The table with further phrases, each half as likely as those that were there."""
    more = plain.table(further)
    if unknown := more.keys() - table.keys():
        raise ValueError(f"Further phrases for {', '.join(sorted(unknown))}, which the table does not have.")
    return {value: (*phrases, *phrases, *more.get(value, ())) for value, phrases in table.items()}


COLOUR_WORDS = _with(
    plain.COLOUR_WORDS,
    {
        "red": "brick red | cardinal red | fire red | maroon | strawberry red | wine red",
        "orange": "peach orange | copper | flame orange | coral orange | copper orange",
        "yellow": "banana yellow | honey yellow | butter yellow | sunflower yellow | light yellow",
        "green": "fern green | mint green | moss green | dark green | light green | bottle green",
        "blue": "indigo | denim blue | cornflower blue | dark blue | light blue | electric blue",
        "purple": "grape purple | aubergine | orchid purple | amethyst | dark purple | royal purple",
        "pink": "light pink | pale pink | flamingo pink | coral pink | candy pink | blush pink",
        "white": "pure white | chalk white | off-white | creamy white | cream | porcelain white",
        "black": "raven black | onyx | soot black | deep black | ink-black",
        "brown": "cinnamon brown | cocoa | earth brown | mocha | caramel brown | umber",
    },
)

KIND_WORDS = _with(
    plain.KIND_WORDS,
    {
        "balloon": "gas balloon | passenger balloon | floating balloon | balloon with a basket | montgolfier",
        "airship": "rigid airship | flying dirigible | advertising blimp | cigar-shaped airship",
        "plane": "jet | jet plane | passenger plane | propeller aeroplane | monoplane",
        "bird": "sparrow | crow | swallow | raven | dove | falcon | songbird | seabird",
        "kite": "toy kite | stunt kite | kite with a tail | kite with ribbons | string kite",
        "sailboat": "sail boat | sloop | fishing boat | wooden sailboat | boat with sails | sailer",
        "steamship": "paddle steamer | cruise ship | cargo ship | tugboat | passenger ship | ship with a funnel",
        "lighthouse": "light tower | coastal lighthouse | harbour lighthouse | signal tower",
        "cabin": "lodge | chalet | barn | country house | mountain hut | villa | timber house",
        "tree": "birch tree | beech tree | linden tree | apple tree | willow tree | shade tree | deciduous tree",
        "palm": "date palm | palm with fronds | beach palm | fan palm",
        "tent": "scout tent | bell tent | tent with a campfire | bivouac | expedition tent",
        "windmill": "dutch windmill | flour mill | windmill with sails | grain windmill",
        "castle": "medieval castle | royal castle | chateau | castle with turrets | knightly castle",
        "pagoda": "japanese temple | chinese pagoda | buddhist temple | stupa | oriental temple",
        "church": "parish church | abbey | country church | church with a steeple | wooden church",
        "bridge": "footbridge | brick bridge | bridge with arches | road bridge | old bridge",
        "train": "express train | steam engine | train with wagons | railroad train | railway engine",
        "car": "taxi | coupe | passenger car | vintage car | hatchback | cabriolet",
        "deer": "doe | roe deer | fawn | buck | deer with antlers | hind",
        "horse": "colt | riding horse | foal | galloping horse | workhorse | horse with a mane",
        "mushroom": "fly agaric | spotted toadstool | edible mushroom | round mushroom | spotted mushroom",
        "snowman": "snow figure | snowman with a carrot nose | smiling snowman | snowman with a hat",
        "rocket": "space shuttle | starship | rocket with fins | launching rocket | booster rocket",
    },
)

SIZE_WORDS = _with(plain.SIZE_WORDS, {"small": "petite | wee | faraway | puny", "large": "gigantic | immense | oversized | vast"})

PLACE_WORDS = _with(
    plain.PLACE_WORDS,
    {
        "left": "on the left-hand side | towards the left | in the left part",
        "centre": "at the center | in the middle of the scene | just in the middle",
        "right": "on the right-hand side | towards the right | in the right part",
    },
)

TIME_PHRASES = _with(
    plain.TIME_PHRASES,
    {
        "dawn": "at the break of day | in the morning light | as day breaks | in the morning glow | at early dawn",
        "noon": "at high noon | at lunchtime | around midday | around noon | in full daylight",
        "afternoon": "late in the afternoon | after lunch | on a lazy afternoon | this afternoon | well after midday",
        "sunset": "as evening falls | in the evening light | toward evening | as the sun goes down | at the end of the day",
        "dusk": "as darkness falls | in the fading light | in the last light | as night falls | between day and night",
        "night": "late at night | in the night | on a dark night | in the darkness | after dark | in the dead of night",
    },
)
TIME_TAGS = _with(
    plain.TIME_TAGS,
    {
        "dawn": "break of day | morning light | early dawn",
        "noon": "high noon | lunchtime | full daylight",
        "afternoon": "late in the afternoon | after lunch",
        "sunset": "evening light | sunset hour",
        "dusk": "fading light | last light | falling darkness",
        "night": "darkness | after dark | late night",
    },
)

SEASON_PHRASES = _with(
    plain.SEASON_PHRASES,
    {
        "spring": "in april | in may | in early spring | in late spring",
        "summer": "in july | in june | in midsummer | in august",
        "autumn": "in october | in november | in early autumn | in leaf-fall season",
        "winter": "in january | in december | in midwinter | in february",
    },
)
SEASON_TAGS = _with(
    plain.SEASON_TAGS,
    {
        "spring": "april | early spring",
        "summer": "july | midsummer",
        "autumn": "october | leaf fall",
        "winter": "january | midwinter",
    },
)

WEATHER_PHRASES = _with(
    plain.WEATHER_PHRASES,
    {
        "clear": "in good weather | in dry weather | without a cloud | under an empty sky",
        "cloudy": "under grey clouds | under a grey sky | with thick clouds | beneath the clouds | with a covered sky",
        "fog": "in dense fog | wrapped in fog | veiled in mist | in the murk | through the fog | in a fog bank",
        "rain": "while it rains | raining | in wet weather | during a rainstorm | in a cloudburst | rainfall | with rain showers",
        "snow": "in a snowstorm | amid snow flurries | under falling snowflakes | in thick snowfall",
        "storm": "in a lightning storm | with flashes of lightning | in a gale | in wild weather | as lightning strikes"
        " | in a hurricane",
        "rainbow": "beneath a rainbow | with a rainbow overhead | a rainbow after the shower | with an arc of colours in the sky",
        "aurora": "with polar lights | under the aurora borealis | with dancing northern lights | green lights in the sky",
    },
)
WEATHER_TAGS = _with(
    plain.WEATHER_TAGS,
    {
        "clear": "good weather | dry weather | empty sky",
        "cloudy": "grey sky | grey clouds | covered sky",
        "fog": "dense fog | murk | fog bank",
        "rain": "raining | rainfall | wet weather | rainstorm | cloudburst | showers",
        "snow": "snowstorm | snow flurries | thick snowfall",
        "storm": "lightning storm | gale | wild weather | hurricane | lightning flash",
        "rainbow": "rainbow arc | rainbow overhead",
        "aurora": "aurora borealis | dancing northern lights",
    },
)

TERRAIN_WORDS = _with(
    plain.TERRAIN_WORDS,
    {
        "snowy mountains": "snow-capped mountains | snow-clad mountains | glaciers | white alps | snowcapped peaks",
        "rocky mountains": "stony mountains | barren mountains | bare peaks | jagged rocks | a range of grey rock",
        "green hills": "gentle hills | low hills | hilly country | sloping hills | a hillside",
        "red canyon": "red buttes | sandstone cliffs | a red ravine | a canyon of red rock | red mesas",
        "sand dunes": "rippled dunes | high sand hills | wandering dunes | dunes on the horizon",
        "pine forest": "a spruce forest | conifers | fir trees | spruces | a conifer forest",
        "volcano": "a lava mountain | a fire mountain | a volcanic cone | a smoking mountain | a burning mountain",
        "city skyline": "a town | city buildings | high-rise buildings | office towers | a modern city",
        "none": "a bare horizon | an empty horizon | a level horizon",
    },
)
GROUND_WORDS = _with(
    plain.GROUND_WORDS,
    {
        "lake": "a lakeside | lake water | a clear lake | a lagoon | a reservoir",
        "sea": "the bay | salt water | rolling waves | the seashore | a sea with waves",
        "river": "a flowing river | a broad river | a waterway | a bend of a river | the riverside",
        "meadow": "a mountain meadow | a hay meadow | an alpine meadow | a field of daisies | poppies | a blooming meadow",
        "lavender field": "lavender rows | blooming lavender | a field of lavender | lavender plants",
        "snow field": "snowdrifts | fresh snow | a blanket of snow | powder snow | a snowy plain",
        "desert": "a dry desert | hot sand | a desert floor | a barren desert | yellow sand",
        "wheat field": "a rye field | a crop field | fields of grain | a field of wheat | ears of corn",
    },
)
BODY_WORDS = _with(
    plain.BODY_WORDS,
    {
        "sun": "a sun in the sky | the round sun | a blazing sun",
        "full moon": "the full moon | a full bright moon | a big moon",
        "crescent moon": "a sickle moon | a quarter moon | a young moon | the waxing moon",
    },
)

STYLE_BEFORE = _with(
    plain.STYLE_BEFORE,
    {
        "natural": "a snapshot of | a photographic picture of | a true-to-life view of | a camera picture of",
        "watercolour": "a water colour painting of | a brush painting of | a soft painting of | a watery painting of",
        "pixel art": "video game art of | a video game screen of | a low-resolution game picture of | an arcade game picture of",
        "ink sketch": "a line drawing of | a pencil drawing of | a hand-drawn sketch of | a pen sketch of | a drawing of",
        "neon": "a neon sign of | a neon drawing of | glowing line art of | a synthwave picture of | a laser light picture of",
    },
)
STYLE_AFTER = _with(
    plain.STYLE_AFTER,
    {
        "natural": "snapshot | photographic | true-to-life | camera picture",
        "watercolour": "water colour painting | brush painting | painted in soft washes | washed with water colours",
        "pixel art": "video game art | low-resolution game picture | arcade game style | as a video game screen",
        "ink sketch": "line drawing | pencil drawing | hand-drawn sketch | drawn with a pencil",
        "neon": "neon sign | glowing line art | synthwave | drawn in laser light",
    },
)
