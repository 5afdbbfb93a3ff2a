"""Words that no caption contains, with what a reader would take them for: the test of what the text encoder carries over."""

from __future__ import annotations

from collections.abc import Mapping


def _words(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {value: tuple(words.split()) for value, words in values.items()}


# attribute -> value -> words
HELD_OUT: dict[str, dict[str, tuple[str, ...]]] = {
    "colour": _words(
        {
            "red": "crimson vermilion burgundy",
            "orange": "apricot rust",
            "yellow": "lemon mustard saffron",
            "green": "jade lime olive",
            "blue": "azure cobalt ultramarine",
            "purple": "violet mauve",
            "pink": "fuchsia salmon",
            "white": "pearl alabaster",
            "black": "charcoal obsidian",
            "brown": "chestnut mahogany walnut",
        }
    ),
    "kind": _words(
        {
            "balloon": "aerostat",
            "airship": "zeppelin",
            "plane": "aircraft biplane airliner",
            "bird": "eagle gull hawk",
            "sailboat": "yacht schooner catamaran dinghy",
            "steamship": "freighter ferry liner",
            "lighthouse": "beacon",
            "cabin": "cottage shack farmhouse bungalow",
            "tree": "oak maple elm",
            "tent": "teepee wigwam",
            "castle": "fortress citadel stronghold",
            "pagoda": "shrine",
            "church": "cathedral minster basilica",
            "bridge": "viaduct aqueduct",
            "train": "tram railcar",
            "car": "sedan vehicle limousine",
            "deer": "elk moose reindeer",
            "horse": "stallion mare mustang",
            "mushroom": "fungus champignon",
            "rocket": "missile spacecraft",
        }
    ),
    "size": _words({"large": "huge enormous massive", "small": "miniature"}),
    "place": _words({"left": "leftmost", "centre": "central midmost", "right": "rightmost"}),
    "count": _words({"2": "duo twin", "3": "trio triplet"}),
    "pattern": _words({"striped": "banded pinstriped"}),
    "time": _words(
        {
            "dawn": "sunup cockcrow",
            "noon": "daytime noontide",
            "afternoon": "teatime",
            "sunset": "sundown",
            "dusk": "twilight gloaming eventide",
            "night": "moonlight starlight",
        }
    ),
    "season": _words({"spring": "springtime", "summer": "summery", "autumn": "autumnal", "winter": "wintry wintertime"}),
    "weather": _words(
        {
            "clear": "cloudless",
            "fog": "haze",
            "rain": "drizzle downpour",
            "snow": "blizzard",
            "storm": "tempest thunder squall",
        }
    ),
    "terrain": _words(
        {
            "snowy mountains": "summits",
            "rocky mountains": "crags",
            "green hills": "knolls",
            "red canyon": "gorge",
            "pine forest": "woodland",
            "volcano": "eruption crater",
            "city skyline": "metropolis downtown",
        }
    ),
    "ground": _words(
        {
            "lake": "pond",
            "sea": "ocean",
            "river": "stream brook creek",
            "meadow": "prairie pasture",
            "snow field": "tundra",
            "desert": "sahara",
            "wheat field": "barley",
        }
    ),
    "style": _words(
        {
            "natural": "realistic",
            "watercolour": "aquarelle gouache",
            "pixel art": "pixelated sprite",
            "ink sketch": "etching engraving doodle",
            "neon": "fluorescent cyberpunk",
        }
    ),
}
