"""Prompt accuracy: pictures are drawn from prompts, and the attribute probe is asked whether what the prompts state is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from layered.config import SampleConfig
from layered.evaluation.metrics import wilson_interval
from layered.evaluation.probe import Findings, Probe
from layered.evaluation.prompts import PROMPT_SETS, Claim, Prompt, PromptSet, draw_prompts
from layered.pipeline import LayeredPipeline, draw_pictures
from layered.pyramid import downsample_image
from layered.world import render


class Accuracy(NamedTuple):
    """How often claims of one attribute hold."""

    claims: int
    drawn: float  # share that holds in the drawn pictures
    interval: tuple[float, float]  # 95 % (Wilson) of ``drawn``
    luck: float  # share that holds in the picture of the next prompt: what the prompt did not bring about
    rendered: float  # share that holds in the world's own renders of the same descriptions: the ceiling


@torch.no_grad()
def look(probe: Probe, pictures: Tensor, batch: int = 64) -> Findings:
    """The probe's findings on any number of pictures (N, 3, S, S), on the CPU."""
    device = next(probe.parameters()).device
    parts = [probe(some.to(device)) for some in pictures.split(batch)]

    def joined(values: Iterable[Tensor]) -> Tensor:
        return torch.cat([value.cpu() for value in values])

    return Findings(
        {name: joined(part.scene[name] for part in parts) for name in parts[0].scene},
        joined(part.present for part in parts),
        {name: joined(part.objects[name] for part in parts) for name in parts[0].objects},
        joined(part.features for part in parts),
    )


def holds(probe: Probe, findings: Findings, row: int, claim: Claim) -> bool:
    """Whether the probe finds a claim in picture ``row``. What is said of an object holds only if its kind is there."""
    config = probe.config
    if claim.kind is None:
        return config.scene[claim.attribute][int(findings.scene[claim.attribute][row].argmax())] == claim.value
    kind = config.kinds.index(claim.kind)
    if float(findings.present[row, kind]) <= 0:
        return False
    if claim.attribute == "kind":
        return True
    return config.objects[claim.attribute][int(findings.objects[claim.attribute][row, kind].argmax())] == claim.value


def judge(probe: Probe, prompts: Sequence[Prompt], drawn: Findings, rendered: Findings) -> dict[str, Accuracy]:
    """Accuracies by attribute, and of ``all`` claims. Of prompts with a held-out word, its claim alone counts."""
    counts: dict[str, list[int]] = {}
    for row, prompt in enumerate(prompts):
        marked = [claim for claim in prompt.claims if claim.held_out]
        for claim in marked or prompt.claims:
            held = (
                holds(probe, drawn, row, claim),
                holds(probe, drawn, (row + 1) % len(prompts), claim),
                holds(probe, rendered, row, claim),
            )
            for name in (claim.attribute, "all"):
                total = counts.setdefault(name, [0, 0, 0, 0])
                for column, value in enumerate((True, *held)):
                    total[column] += value
    order = [name for name in (*probe.config.scene, "kind", *probe.config.objects, "all") if name in counts]
    return {
        name: Accuracy(count, right / count, wilson_interval(right, count), luck / count, ceiling / count)
        for name, (count, right, luck, ceiling) in ((name, counts[name]) for name in order)
    }


def prompt_accuracy(
    pipeline: LayeredPipeline,
    probe: Probe,
    count: int,
    config: SampleConfig | None = None,
    tick: Callable[[int], None] = lambda pictures: None,
    sets: Sequence[PromptSet] = PROMPT_SETS,
    reworded: bool = False,
) -> dict[str, dict[str, Accuracy]]:
    """Accuracy by set of prompts and attribute, ``count`` prompts each: of the finest pictures no larger than the probe looks at.

    Finer scales are drawn only by a network that has to draw all of them together. ``reworded``: words that the captions never
    had are put in the nearest that they had before the prompts are drawn (``LayeredPipeline.reworded``).
    """
    scales = tuple(size for size in pipeline.scales if size <= probe.config.size) or pipeline.scales[:1]
    config = dataclasses.replace(config or pipeline.usual, scales=scales if pipeline.isolated else None)
    results = {}
    for which in sets:
        prompts = draw_prompts(which, count)
        texts = [pipeline.reworded(prompt.text) if reworded else prompt.text for prompt in prompts]
        drawn = draw_pictures(pipeline, texts, config, tick=tick)[scales[-1]]
        rendered = render([prompt.spec for prompt in prompts], probe.config.size)
        rendered = downsample_image(rendered, min(probe.config.size, scales[-1]))  # as coarse as what was drawn
        results[which] = judge(probe, prompts, look(probe, drawn), look(probe, rendered))
    return results
