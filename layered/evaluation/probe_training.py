"""Teaching the attribute probe on fresh renders, and measuring it on others: the ceiling of every prompt accuracy."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from layered.evaluation.probe import Findings, Labels, Probe, ProbeConfig, labels_of
from layered.pyramid import downsample_image, enlarge_image
from layered.world import Vistas, VistaSpec, render
from layered.world.cache import load_cache, to_bytes

TRAINING_WORLD, MEASURE_WORLD = 2**31 - 2, 2**31 - 3  # seeds of the worlds that it learns from and is measured on
BATCH = 64
REUSE = 6  # steps between two batches of fresh renders, which cost more than a step
POOL = 16_384  # renders kept to draw from
WARM_UP = 0.03  # part of the training during which the learning rate rises

# ------------------------------------------------------------------ jitter


def jitter(pictures: Tensor, generator: torch.Generator, shift: int = 4) -> Tensor:
    """Pictures (B, 3, S, S) moved by up to ``shift`` pixels, in slightly other colours, half of them softer, with some noise.

    So the probe reads a generated picture, which is softer and noisier than a render, by what it shows.
    """
    batch, _, size, _ = pictures.shape

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return (low + (high - low) * torch.rand(batch, channels, 1, 1, generator=generator)).to(pictures)

    moves = torch.randint(2 * shift + 1, (batch, 2), generator=generator).tolist()
    padded = F.pad(pictures, (shift,) * 4, mode="reflect")
    x = torch.stack([padded[i, :, dy : dy + size, dx : dx + size] for i, (dy, dx) in enumerate(moves)])
    half = downsample_image(x, size // 2)
    soft, softer = enlarge_image(half, size), enlarge_image(downsample_image(half, size // 4), size)
    x = torch.lerp(x, torch.lerp(soft, softer, uniform(-0.6, 0.6).clamp_min(0)), uniform(-1, 1).clamp_min(0))
    x = x * uniform(0.9, 1.1) * uniform(0.96, 1.04, 3) + uniform(-0.08, 0.08)
    noise = torch.randn(x.shape, generator=generator).to(pictures)
    return (x + noise * uniform(-0.08, 0.08).clamp_min(0)).clamp(-1, 1)


# ------------------------------------------------------------------ training


class _Pool:
    """Renders to draw from: those of caches, or fresh ones, the latest POOL of them."""

    def __init__(self, config: ProbeConfig, caches: Sequence[Path], device: str) -> None:
        self.config, self.device, self.drawn = config, device, 0
        self.pictures: list[np.ndarray] = []
        self.specs: list[VistaSpec] = []
        for folder in caches:
            pictures, specs = load_cache(folder)
            if pictures.shape[1] < config.size:
                raise ValueError(f"{folder} holds pictures of {pictures.shape[1]} px; the probe needs {config.size} or more.")
            self.pictures.extend(pictures)
            self.specs.extend(specs)
        self.fixed = bool(self.pictures)

    def refill(self, count: int) -> None:
        """Render ``count`` pictures more."""
        specs = Vistas(TRAINING_WORLD).specs(self.drawn, count)
        self.drawn += count
        self.pictures = [*self.pictures, *to_bytes(render(specs, self.config.size, self.device))][-POOL:]
        self.specs = [*self.specs, *specs][-POOL:]

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Labels]:
        """Random pictures of the pool, (count, 3, S, S) in [−1, 1], and the truth about them."""
        chosen = torch.randint(len(self.pictures), (count,), generator=generator).tolist()
        pixels = torch.from_numpy(np.stack([self.pictures[i] for i in chosen])).to(self.device)
        pictures = downsample_image(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1, self.config.size)
        return pictures, labels_of([self.specs[i] for i in chosen], self.config)


def probe_loss(findings: Findings, labels: Labels) -> Tensor:
    """Cross-entropies in nats: of every scene attribute, of the presence of all kinds together, of every attribute of objects."""
    device = findings.present.device
    loss = F.binary_cross_entropy_with_logits(findings.present, labels.present.to(device), reduction="sum") / len(labels.present)
    for said, true in ((findings.scene, labels.scene), (findings.objects, labels.objects)):
        for name, logits in said.items():
            target = true[name].to(device).flatten()
            error = F.cross_entropy(logits.flatten(0, -2), target, reduction="sum")  # what is UNKNOWN adds nothing
            loss = loss + error / (target >= 0).sum().clamp_min(1)
    return loss


def train_probe(
    config: ProbeConfig | None = None,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = BATCH,
    rate: float = 2e-3,
    caches: Sequence[Path] = (),
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> tuple[Probe, dict[str, float]]:
    """A probe trained for so many minutes or steps (the same steps: the same probe), and what that took.

    ``caches``: folders of ``python -m layered.world --cache`` to learn from instead of rendering along the way. AdamW with a
    cosine. Raises ValueError unless one of ``minutes`` and ``steps`` is given.
    """
    if (minutes is None) == (steps is None):
        raise ValueError("Say for how many minutes or for how many steps to train the probe, one of the two.")
    config = config or ProbeConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = Probe(config).to(device)
    generator = torch.Generator().manual_seed(seed)
    pool = _Pool(config, caches, device)
    optimiser = torch.optim.AdamW(probe.parameters(), lr=rate, weight_decay=0.02)
    started, step, done, average = time.perf_counter(), 0, 0.0, math.nan
    with tqdm(total=100, unit="%", disable=not progress, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
        while done < 1:
            if not pool.fixed and step % REUSE == 0:
                pool.refill(batch)
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, done / WARM_UP + 0.05) * 0.5 * (1 + math.cos(math.pi * done))
            pictures, labels = pool.draw(batch, generator)
            loss = probe_loss(probe(jitter(pictures, generator)), labels)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(probe.parameters(), 5.0)
            optimiser.step()
            step += 1
            value = loss.item()
            average = value if step == 1 else 0.98 * average + 0.02 * value
            done = step / steps if steps else (time.perf_counter() - started) / (60 * minutes)
            bar.set_postfix(step=step, loss=f"{average:.2f}", refresh=False)
            bar.update(min(100, 100 * done) - bar.n)
    took = {"steps": step, "pictures": len(pool.pictures) if pool.fixed else pool.drawn, "loss": round(average, 3)}
    return probe.eval().requires_grad_(False), took | {"minutes": round((time.perf_counter() - started) / 60, 1)}


# ------------------------------------------------------------------ measuring


@torch.no_grad()
def measure_probe(probe: Probe, count: int, seed: int = MEASURE_WORLD, progress: bool = True) -> dict[str, tuple[int, int]]:
    """Right answers and questions per attribute, on ``count`` renders of a world that it has not seen.

    ``kind``: of the kinds that are there, how many it finds; ``kind said``: of those it finds, how many are there. Attributes of
    objects are asked of the kinds that are there. Shown pictures are as they were rendered, without jitter.
    """
    sums: dict[str, list[int]] = {}

    def add(name: str, right: Tensor, asked: Tensor) -> None:
        total = sums.setdefault(name, [0, 0])
        total[0] += int((right & asked).sum())
        total[1] += int(asked.sum())

    for start in tqdm(range(0, count, BATCH), unit="batch", disable=not progress):
        specs = Vistas(seed).specs(start, min(BATCH, count - start))
        device = next(probe.parameters()).device
        findings, labels = probe(render(specs, probe.config.size, device)), labels_of(specs, probe.config)
        said, there = findings.present.cpu() > 0, labels.present > 0
        add("kind", said, there)
        add("kind said", there, said)
        for logits, true in ((findings.scene, labels.scene), (findings.objects, labels.objects)):
            for name in logits:
                add(name, logits[name].argmax(dim=-1).cpu() == true[name], true[name] >= 0)
    return {name: (right, asked) for name, (right, asked) in sums.items()}


def probe_card(probe: Probe, took: dict[str, float], measured: dict[str, tuple[int, int]], command: str) -> str:
    """The README of a probe's folder; ``command``: what trained it."""
    parameters = sum(p.numel() for p in probe.parameters())
    rows = [f"| {name} | {asked} | {right / asked:.3f} |" for name, (right, asked) in measured.items() if asked]
    return "\n".join(
        [
            "---\nlicense: apache-2.0\npipeline_tag: image-classification\n---\n",
            "# Attribute probe\n",
            "A small convolutional network that says what a vista (`layered/world`) shows, to check drawn pictures against their "
            f"prompts: `layered/evaluation/probe.py`. {parameters / 1e6:.2f} M parameters in half precision, pictures of "
            f"{probe.config.size} pixels.\n",
            f"Trained on {took['pictures']:,} renders for {took['steps']:,} steps ({took['minutes']} minutes), with jitter in "
            "colour, sharpness, place and noise. It knows this world and nothing else: "
            "on a picture that is no vista its answers mean nothing.\n",
            "Accuracy on renders that it has not seen, without jitter. `kind`: kinds in the picture that it finds; `kind said`: "
            "kinds it finds that are there; attributes of objects are asked of kinds that are there.\n",
            "| attribute | asked | accuracy |\n| --- | --- | --- |",
            *rows,
            f"\n```bash\n{command}\npython -m layered.evaluation probe --measure --pictures 1000\n```\n",
        ]
    )
