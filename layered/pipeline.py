"""Prompt in, steps out: the facade that people import, around encoder, network, schedule and sampler."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from layered.checkpoint import find_checkpoint, load_checkpoint, read_card, weights_digest
from layered.config import MAX_PROMPT, SampleConfig, sample_config_from_dict
from layered.diffusion import GuidedDenoiser
from layered.layers import Prompts, TextStates
from layered.near_words import NearWords
from layered.sampler import Step, make_generators, sample
from layered.schedule import Schedule
from layered.text import TextEncoder
from layered.trajectory import Trajectory
from layered.unet import LayeredUNet
from layered.vocabulary import Vocabulary

BATCH = 8  # pictures drawn at once by ``draw_pictures``


class PromptError(ValueError):
    """A prompt that cannot be drawn, with a sentence for the person who wrote it."""


class LayeredPipeline:
    """A trained layered diffusion model, ready to draw."""

    digest: str | None = None  # of the checkpoint's architecture and weights, see ``weights_digest``

    def __init__(
        self,
        model: LayeredUNet,
        encoder: TextEncoder,
        meta: dict,
        name: str = "",
        device: str = "cpu",
        source: str = "",
        card: str = "",
    ) -> None:
        """``source``: the folder or hub name that it was loaded from. ``card``: what its makers say of it, foreign Markdown."""
        self.device, self.source, self.card = device, source, card
        self.model = model.to(device).eval().requires_grad_(False)
        self.encoder, self.meta, self.name = encoder, meta, name
        self.vocabulary = Vocabulary(meta.get("vocabulary", ()))
        self._near_words = NearWords(self.vocabulary, encoder)
        if encoder.width != model.config.text_width:
            raise ValueError(
                f"The text encoder {encoder.name} is {encoder.width} wide, but this checkpoint was trained with states of "
                f"{model.config.text_width} ({meta.get('text_encoder', 'unknown encoder')}): name that encoder instead."
            )

    @classmethod
    def from_pretrained(cls, name: str | Path, *, text_encoder: str | Path | None = None, device: str = "cpu") -> LayeredPipeline:
        """Load a checkpoint from a folder or from the hub. ``text_encoder`` is a folder with the files of the encoder that the
        checkpoint names, if they are not installed; the bundled encoder's weights are verified wherever they come from.

        Raises CheckpointError or TextEncoderError, both with a sentence that says what to do.
        """
        folder = find_checkpoint(name)
        model, meta = load_checkpoint(folder)
        digest = weights_digest(model)
        encoder = TextEncoder.from_pretrained(meta["text_encoder"], device=device, folder=text_encoder)
        pipeline = cls(model, encoder, meta, name=Path(name).name, device=device, source=str(name), card=read_card(folder))
        pipeline.digest = digest
        return pipeline

    @property
    def scales(self) -> tuple[int, ...]:
        """Sides of the pictures it draws, coarse to fine, in pixels."""
        return self.model.config.scales

    @property
    def parameters(self) -> int:
        """Number of the network's parameters."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def isolated(self) -> bool:
        """Whether its coarse scales can be drawn alone, or first; the fine ones can then sleep too."""
        return self.model.config.isolated

    @property
    def adds(self) -> bool:
        """Whether its levels add to the ones below them, so that a run can weigh what they add (``detail``)."""
        return self.model.config.adds

    @property
    def usual(self) -> SampleConfig:
        """The settings of a run unless others are asked for: ``SampleConfig``'s, with the schedule and the noise that the network
        was trained with; of a distilled network the run that it learnt, with DDIM, and without guidance, which is folded in."""
        config = sample_config_from_dict(self.meta.get("distilled", {}))
        if "distilled" in self.meta:
            config = dataclasses.replace(config, guidance=1.0, solver="ddim", eta=0.0)
        return dataclasses.replace(config, **{"preset": self.meta.get("preset", config.preset), **self.meta.get("usual", {})})

    def unknown_words(self, prompt: str) -> list[str]:
        """Words of the prompt that the training captions never contained."""
        return self.vocabulary.unknown(prompt) if self.vocabulary.words else []

    def near_words(self, word: str) -> list[str]:
        """Up to three words of the training captions near in meaning to ``word``, the nearest first; see ``NearWords``."""
        return self._near_words.near(word)

    def reworded(self, prompt: str) -> str:
        """The prompt with every word that the training captions never contained put in the nearest one that they did, if any."""
        return self._near_words.reworded(prompt)

    def scales_up_to(self, size: int) -> tuple[int, ...]:
        """The model's scales of ``size`` pixels or fewer; ValueError where there is none."""
        if size < self.scales[0]:
            raise ValueError(f"The coarsest scale has {self.scales[0]} pixels: there is none of {size} or less.")
        return tuple(scale for scale in self.scales if scale <= size)

    def run_scales(self, config: SampleConfig) -> tuple[int, ...]:
        """The scales of a run. Raises ValueError where they are not the coarsest few of the model's, or where they, or the order
        coarse-first, ask a network that computes all scales in one pass to run some of them alone."""
        scales = config.scales or self.scales
        if self.model.config.downsampling == "nested" and (scales != self.scales or config.order == "coarse-first"):
            raise ValueError(
                f"This model is nested: it computes all its scales {self.scales} in one pass, so the coarse ones cannot be drawn "
                "alone or first. Draw them all, in the order together."
            )
        if scales != self.scales[: len(scales)]:
            raise ValueError(f"Scales {scales}: this model draws {self.scales}, and a run takes the coarsest few of them.")
        return scales

    def schedule(self, config: SampleConfig) -> Schedule:
        """The schedule of a run: the preset's shifts, or the run's own, of which coarse scales alone take the first."""
        scales = self.run_scales(config)
        if config.shifts is not None and len(config.shifts) == len(scales) < len(self.scales):
            return Schedule.of_run(config, scales)
        return Schedule.of_run(config, self.scales).coarsest(len(scales))

    def encode(self, prompt: str) -> TextStates:
        """The text encoder's states of one prompt. Raises PromptError for a prompt that is empty or too long."""
        if not isinstance(prompt, str) or not prompt.strip():
            raise PromptError("The prompt is empty: describe a picture, for example «a red balloon over snowy mountains».")
        if len(prompt) > MAX_PROMPT:
            raise PromptError(f"The prompt has {len(prompt)} characters, {MAX_PROMPT} are the most: shorten it.")
        return self.encoder.encode([prompt]).to(self.device)

    def encode_run(self, prompts: Sequence[str], config: SampleConfig) -> Prompts:
        """The states of a batch of prompts, for each scale its own where the run has a detail prompt (which all of them share).

        The base attends to the tokens of its prompt; a finer scale is conditioned on the pooled vector of its own. Raises
        PromptError for a prompt that is empty or too long, ValueError for a detail prompt of a scale that is none of the model's
        above the base.
        """
        text = TextStates.cat([self.encode(prompt) for prompt in prompts])
        if not config.detail_prompt:
            return text
        base, *finer = self.scales
        if not finer:
            raise ValueError("This model draws one scale alone: there are no finer ones for a detail prompt.")
        details = config.detail_prompt
        states = {base: text}
        given = dict(details if isinstance(details, tuple) else [(finer[0], details)])
        if wrong := [size for size in given if size not in finer]:
            raise ValueError(f"Detail prompt from {wrong[0]} pixels on: expected one of {', '.join(map(str, finer))}.")
        for size in finer:
            text = self.encode(given[size]).expand(len(prompts)) if size in given else text
            states[size] = text
        return states

    def stream(self, prompt: str, config: SampleConfig | None = None) -> Iterator[Step]:
        """Denoise step by step. Yields one ``Step`` per step with z, x0 and logsnr of every scale; closing it stops the work.
        In the order coarse-first every step comes twice, first without the scales that are ``pending``.

        ``step.x0[512]`` is (1, 3, 512, 512) in [−1, 1]. The prompt and the settings are checked before the first step: raises
        PromptError or ValueError with a sentence that says what to change. Without ``config`` it is ``usual``.
        """
        config = config or self.usual
        return self.stream_batch([prompt], config, [config.seed])

    def stream_batch(self, prompts: Sequence[str], config: SampleConfig, seeds: Sequence[int]) -> Iterator[Step]:
        """``stream`` for several prompts at once, each with its own seed: ``step.x0[512]`` is (len(prompts), 3, 512, 512).

        A prompt's picture is the one that ``stream`` makes of it, up to rounding. Raises ValueError unless there is a seed per
        prompt.
        """
        if len(prompts) != len(seeds) or not prompts:
            raise ValueError(f"A batch needs one seed per prompt, got {len(prompts)} prompts and {len(seeds)} seeds.")
        schedule, denoise = self.schedule(config), self.denoiser(prompts, config)
        return sample(denoise, schedule, config, make_generators(seeds), device=self.device)

    def denoiser(self, prompts: Sequence[str], config: SampleConfig) -> GuidedDenoiser:
        """The network with the prompts and the settings of a run, as the sampler takes it. Raises what ``stream`` does."""
        return GuidedDenoiser(
            self.model,
            self.encode_run(prompts, config),
            guidance=self._guidance(config),
            parallel=config.guidance_parallel,
            interval=config.guidance_interval,
            guided_up_to=config.guided_up_to,
            shared_noise=config.noise != "independent",
            sleep_below=config.sleep_below,
            detail=config.detail,
        )

    def _guidance(self, config: SampleConfig) -> float | tuple[float, ...]:
        """The weights of a run: one, or one per scale of the model, where a run of fewer scales may have given only its own."""
        guidance, scales = config.guidance, self.run_scales(config)
        if not isinstance(guidance, tuple):
            return guidance
        if len(guidance) not in (len(scales), len(self.scales)):
            raise ValueError(
                f"Guidance needs one weight, or one for each of the {len(scales)} scales {scales}: got {len(guidance)}."
            )
        return guidance + (1.0,) * (len(self.scales) - len(guidance))

    def generate(
        self, prompt: str, config: SampleConfig | None = None, on_step: Callable[[Step], None] | None = None
    ) -> Trajectory:
        """Run to the end and return the whole trajectory; ``on_step`` sees every step as it is made."""
        config = config or self.usual
        steps = {}
        for step in self.stream(prompt, config):
            steps[step.index] = step
            if on_step:
                on_step(step)
        schedule = self.schedule(config)
        return Trajectory(
            prompt=prompt,
            config=config,
            model=self.name,
            scales=schedule.scales,
            shifts=schedule.shifts,
            steps=tuple(steps.values()),
        )


def draw_pictures(
    pipeline: LayeredPipeline,
    prompts: Sequence[str],
    config: SampleConfig,
    first_seed: int = 0,
    batch: int = BATCH,
    tick: Callable[[int], None] = lambda pictures: None,
) -> dict[int, Tensor]:
    """One picture per prompt at every scale of the run, (N, 3, S, S) in [−1, 1] on the CPU; seeds first_seed, first_seed + 1, …

    ``tick`` is told how many pictures each batch has finished.
    """
    finals = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        seeds = [first_seed + start + number for number in range(len(some))]
        for step in pipeline.stream_batch(some, config, seeds):
            last = step
        finals.append({size: picture.float().cpu() for size, picture in last.x0.items()})
        tick(len(some))
    return {size: torch.cat([final[size] for final in finals]) for size in finals[0]}
