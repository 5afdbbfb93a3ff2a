"""Vistas: captioned landscapes that the project renders itself, from a seed, at any size."""

from layered.world.caption import HELD_OUT, VOCABULARY, caption
from layered.world.render import render
from layered.world.spec import ObjectSpec, Vistas, VistaSpec

__all__ = ["HELD_OUT", "VOCABULARY", "ObjectSpec", "VistaSpec", "Vistas", "caption", "render"]
