"""The things one can ask for, each drawn by its own few strokes: coordinates are in object heights, the foot at (0, 0)."""

from layered.world.strokes.buildings import cabin, castle, lighthouse, pagoda, tent, windmill
from layered.world.strokes.craft import airship, balloon, sailboat
from layered.world.strokes.nature import tree

STROKES = {
    "balloon": balloon,
    "airship": airship,
    "sailboat": sailboat,
    "lighthouse": lighthouse,
    "cabin": cabin,
    "tree": tree,
    "tent": tent,
    "windmill": windmill,
    "castle": castle,
    "pagoda": pagoda,
}
