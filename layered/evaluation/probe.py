"""The attribute probe: a small convolutional network that says what a vista shows, to check pictures against their prompts.

Its heads follow the world's tables, so it is trained again when the world grows. A picture holds up to two kinds of object, so a
softmax over "the object" would not do. Instead every kind of the world is asked for at once: each has a query that looks over
the picture (one head of attention over a 16 × 16 map), and from what it finds there the same small network answers "is this kind
in the picture?" (a sigmoid), and "if so, of which colour, how many, where, how large, in which pattern?" (softmaxes).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from layered.pyramid import downsample_image, enlarge_image
from layered.world import VistaSpec
from layered.world.kinds import KINDS
from layered.world.spec import (
    BODIES,
    COLOURS,
    GROUNDS,
    PATTERNS,
    PLACES,
    SEASONAL,
    SEASONS,
    SIZES,
    STYLES,
    TERRAINS,
    TIMES,
    WEATHERS,
)
from layered.world.words import COUNT_WORDS

FORMAT, FORMAT_VERSION = "layered-probe", 1
CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
BANDS = 4  # of a picture from top to bottom, averaged apart: sky and ground tell different things
GROUPS = 8  # of every group norm
UNKNOWN = -100  # label of what a picture does not show; cross_entropy ignores it

SCENE = {
    "time": TIMES,
    "weather": WEATHERS,
    "terrain": TERRAINS,
    "ground": GROUNDS,
    "style": STYLES,
    "season": SEASONS,
    "body": ("none", *BODIES),
}
OBJECT = {
    "colour": COLOURS,
    "count": tuple(str(count) for count in COUNT_WORDS),
    "place": PLACES,
    "size": SIZES,
    "pattern": PATTERNS,
}


class ProbeError(ValueError):
    """A probe that cannot be read, with a sentence that says what to do."""


@dataclass(frozen=True)
class ProbeConfig:
    """Sizes of a probe, and the tables its heads answer from. 0.9 M parameters and 0.5 GFLOP per picture by default."""

    size: int = 128  # side of the pictures it looks at, in pixels
    widths: tuple[int, int, int] = (16, 48, 112)  # channels at a half, a quarter and an eighth of that
    features: int = 128  # of the vector that scenes are told apart by
    hidden: int = 128  # of the answers about a kind
    kinds: tuple[str, ...] = tuple(KINDS)
    scene: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(SCENE))
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(OBJECT))


class Findings(NamedTuple):
    """What a probe says of B pictures; logits throughout."""

    scene: dict[str, Tensor]  # attribute -> (B, values)
    present: Tensor  # (B, K): that a kind is there
    objects: dict[str, Tensor]  # attribute -> (B, K, values): of each kind, if it is there
    features: Tensor  # (B, F)


class Labels(NamedTuple):
    """What B pictures hold, in the shapes of ``Findings``."""

    scene: dict[str, Tensor]  # attribute -> (B,), UNKNOWN where it does not show
    present: Tensor  # (B, K), 0 or 1
    objects: dict[str, Tensor]  # attribute -> (B, K), UNKNOWN where the kind is absent


def shows(spec: VistaSpec, attribute: str) -> bool:
    """Whether a picture can show an attribute of its scene: seasons show on some terrains and grounds only."""
    return attribute != "season" or spec.terrain in SEASONAL or spec.ground in SEASONAL


def labels_of(specs: Sequence[VistaSpec], config: ProbeConfig) -> Labels:
    """The truth about pictures."""
    scene = {
        name: torch.tensor([values.index(getattr(s, name) or "none") if shows(s, name) else UNKNOWN for s in specs])
        for name, values in config.scene.items()
    }
    present = torch.zeros(len(specs), len(config.kinds))
    objects = {name: torch.full(present.shape, UNKNOWN) for name in config.objects}
    for row, spec in enumerate(specs):
        for item in spec.objects:
            column = config.kinds.index(item.kind)
            present[row, column] = 1
            for name, values in config.objects.items():
                objects[name][row, column] = values.index(str(getattr(item, name)))
    return Labels(scene, present, objects)


# ------------------------------------------------------------------ the network


class _Block(nn.Module):
    """Residual block of two 3×3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, width), nn.Conv2d(width, width, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, width), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class Probe(nn.Module):
    """Pictures in, findings out; see the top of the module."""

    def __init__(self, config: ProbeConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ProbeConfig()
        low, middle, width = config.widths
        self.trunk = nn.Sequential(
            nn.Conv2d(3, low, 5, stride=2, padding=2),
            nn.GroupNorm(GROUPS, low),
            nn.SiLU(),
            nn.Conv2d(low, middle, 3, stride=2, padding=1),
            _Block(middle),
            nn.GroupNorm(GROUPS, middle),
            nn.SiLU(),
            nn.Conv2d(middle, width, 3, stride=2, padding=1),
            _Block(width),
            _Block(width),
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
        )
        self.summary = nn.Linear((BANDS + 1) * width, config.features)
        self.scene = nn.ModuleDict({name: nn.Linear(config.features, len(v)) for name, v in config.scene.items()})
        self.queries = nn.Parameter(torch.randn(len(config.kinds), width))
        self.keys, self.values = nn.Linear(width, width), nn.Linear(width, width)
        self.found = nn.Linear(width + 6, config.hidden)
        self.kinds = nn.Embedding(len(config.kinds), config.hidden)
        self.answer = nn.Linear(config.hidden, config.hidden)
        self.present = nn.Linear(config.hidden, 1)
        nn.init.constant_(self.present.bias, -3.0)  # a kind is in about one picture of twenty
        self.objects = nn.ModuleDict({name: nn.Linear(config.hidden, len(v)) for name, v in config.objects.items()})

    def forward(self, pictures: Tensor) -> Findings:
        """pictures: (B, 3, S, S) in [−1, 1], of any size that ``size`` pixels can be had from by doubling or halving."""
        fields = self.trunk(self._fitted(pictures))  # (B, C, s, s)
        bands = F.adaptive_avg_pool2d(fields, (BANDS, 1)).flatten(1)
        features = F.silu(self.summary(torch.cat([bands, fields.amax(dim=(2, 3))], dim=1)))
        answers = self._answers(fields)
        return Findings(
            {name: head(features) for name, head in self.scene.items()},
            self.present(answers).squeeze(-1),
            {name: head(answers) for name, head in self.objects.items()},
            features,
        )

    def _fitted(self, pictures: Tensor) -> Tensor:
        size = self.config.size
        return downsample_image(pictures, size) if pictures.shape[-1] >= size else enlarge_image(pictures, size)

    def _answers(self, fields: Tensor) -> Tensor:
        """What each kind's query finds in the map (B, C, s, s): (B, K, hidden)."""
        side = fields.shape[-1]
        cells = fields.flatten(2).transpose(1, 2)  # (B, s², C)
        scores = self.queries @ self.keys(cells).transpose(1, 2) / math.sqrt(cells.shape[-1])  # (B, K, s²)
        weights = scores.softmax(dim=-1)
        line = torch.linspace(-1, 1, side, device=fields.device)
        places = torch.cartesian_prod(line, line)  # (s², 2): y, x
        mean = weights @ places
        spread = (weights @ places.square() - mean.square()).clamp_min(1e-6).sqrt()
        peak = scores.logsumexp(dim=-1, keepdim=True) - 2 * math.log(side)
        area = scores.sigmoid().mean(dim=-1, keepdim=True)
        found = torch.cat([weights @ self.values(cells), mean, spread, peak, area], dim=-1)
        hidden = F.silu(self.found(found) + self.kinds.weight)
        return F.silu(hidden + self.answer(hidden))


# ------------------------------------------------------------------ the folder


def save_probe(folder: Path, probe: Probe, card: str) -> None:
    """Write config.json, the weights in half precision, and the card."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in probe.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE, {"format": "pt"})
    config = {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(probe.config)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def load_probe(folder: Path, device: str = "cpu") -> Probe:
    """A saved probe in float32, for evaluation. Raises ProbeError unless its files are whole and of the world as it is now."""
    train = f"Train one: python -m layered.evaluation probe --train --minutes 60 --out {folder}"
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise ProbeError(f"There is no probe in {folder}: {file} is missing. {train}")
    try:
        config = _config_from_dict(json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
        weights = load_file(folder / WEIGHTS_FILE)
    except (ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise ProbeError(f"The probe in {folder} is damaged ({error}). {train}") from error
    now = ProbeConfig()
    if differing := [name for name in ("kinds", "scene", "objects") if getattr(config, name) != getattr(now, name)]:
        raise ProbeError(f"The probe in {folder} was trained for another world (its {', '.join(differing)} differ). {train}")
    with torch.random.fork_rng(devices=[]):
        probe = Probe(config)
    try:
        probe.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=True)
    except RuntimeError as error:
        raise ProbeError(f"The weights of the probe in {folder} do not fit its config: {error}. {train}") from error
    return probe.to(device).eval().requires_grad_(False)


def _config_from_dict(data: dict) -> ProbeConfig:
    if data.pop("format") != FORMAT or data.pop("format_version") != FORMAT_VERSION:
        raise ValueError(f"{CONFIG_FILE} is not of the format {FORMAT}, version {FORMAT_VERSION}")
    tables = {name: {key: tuple(values) for key, values in data.pop(name).items()} for name in ("scene", "objects")}
    return ProbeConfig(**data | tables | {"widths": tuple(data["widths"]), "kinds": tuple(data["kinds"])})
