"""The things one can ask for, each drawn by its own few strokes: coordinates are in object heights, the foot at (0, 0)."""

from layered.world.strokes import air, animals, buildings, nature, travel

STROKES = {
    "balloon": air.balloon,
    "airship": air.airship,
    "plane": air.plane,
    "bird": animals.bird,
    "kite": air.kite,
    "sailboat": travel.sailboat,
    "steamship": travel.steamship,
    "lighthouse": buildings.lighthouse,
    "cabin": buildings.cabin,
    "tree": nature.tree,
    "palm": nature.palm,
    "tent": buildings.tent,
    "windmill": buildings.windmill,
    "castle": buildings.castle,
    "pagoda": buildings.pagoda,
    "church": buildings.church,
    "bridge": buildings.bridge,
    "train": travel.train,
    "car": travel.car,
    "deer": animals.deer,
    "horse": animals.horse,
    "mushroom": nature.mushroom,
    "snowman": nature.snowman,
    "rocket": air.rocket,
}
