"""Batches of pictures, captions, times, shifts and noise, drawn from the number of the step alone: so a run can resume."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from layered.config import ModelConfig
from layered.layers import TextStates
from layered.prediction import noisy
from layered.pyramid import image_pyramid, noise_pyramid
from layered.schedule import Schedule, shifted_cosine_logsnr, time_of_logsnr
from layered.training.captions import mirrored
from layered.training.crops import nested_windows
from layered.training.plan import LOGIT_OF_TIME, LOGSNR_OF_TOP, UNIFORM_TIME, StageConfig, TrainConfig
from layered.training.sources import Source
from layered.training.transfer import sent
from layered.unet import Window


@dataclass(frozen=True)
class Batch:
    """One step's worth of everything that is random or read."""

    x0: dict[int, Tensor]  # per scale (B, 3, S, S), or its window
    z: dict[int, Tensor]  # the same, noised
    logsnr: dict[int, Tensor]  # per scale (B,)
    shared_noise: Tensor  # (B,) 1 or 0
    text: TextStates
    windows: dict[int, Window]


class Shifts(NamedTuple):
    """δ of every sample and scale, (B, scales), at t = 0 and, where it moves, at t = 1."""

    start: Tensor
    end: Tensor | None

    def of(self, part: slice) -> Shifts:
        """Those of some of the samples."""
        return Shifts(self.start[part], None if self.end is None else self.end[part])

    def scale(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Those of one scale, (B,) each, as the functions of the schedule take them."""
        return self.start[:, index], None if self.end is None else self.end[:, index]


def draw_times(stage: StageConfig, shifts_of_top: tuple[Tensor, Tensor | None], generator: torch.Generator) -> Tensor:
    """Diffusion times t (B,): uniform (equation 2); for most samples such that the top level's log-SNR is uniform; or for most
    logit-normal (arXiv 2403.03206, section 3.1), which dwells where a picture's content is decided."""
    u, uniform = torch.rand(2, len(shifts_of_top[0]), generator=generator)
    if stage.time == "uniform":
        return u
    if stage.time == "logsnr":
        low, high = LOGSNR_OF_TOP
        drawn = time_of_logsnr(low + (high - low) * u, *shifts_of_top)
    else:
        mean, deviation = LOGIT_OF_TIME
        drawn = torch.sigmoid(mean + deviation * torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6)))
    return torch.where(uniform < UNIFORM_TIME, u, drawn)


def draw_shifts(config: TrainConfig, scales: tuple[int, ...], batch: int, generator: torch.Generator) -> Shifts:
    """Shifts δ_i per sample: half of them the preset exactly, half somewhere towards the other preset, jittered.

    Shifts of the config's own are those of every sample.
    """
    if config.shifts is not None:
        return Shifts(torch.tensor(config.shifts[: len(scales)]).expand(batch, -1), None)
    presets = [Schedule.preset(name, scales) for name in (config.preset, config.other_preset)]
    towards = torch.rand(batch, 1, generator=generator)
    jitter = config.shift_jitter * (2 * torch.rand(batch, len(scales), generator=generator) - 1)
    exact = torch.rand(batch, 1, generator=generator) < 0.5

    def drawn(shifts: list[tuple[float, ...]]) -> Tensor:
        preset, other = (torch.tensor(values) for values in shifts)
        return torch.where(exact, preset, preset + towards * (other - preset) + jitter).float()

    moves = any(schedule.end_shifts for schedule in presets)
    end = drawn([schedule.end_shifts or schedule.shifts for schedule in presets]) if moves else None
    return Shifts(drawn([schedule.shifts for schedule in presets]), end)


def loosened(shared: Tensor, own: Tensor, slack: Tensor) -> Tensor:
    """Shared noise with a part ``slack`` of it, 0 to 1, replaced by a scale's own: √(1 − r²) shared + r own, as white as before.

    Where neighbouring scales see the same noise at different strengths, the clean picture is the solution of two linear equations
    (``layered.evaluation.leak``), and a network that learns to solve them cannot be sampled: its own small errors count as the
    picture. With slack the equations do not hold.
    """
    return (1 - slack**2).sqrt() * shared + slack * own


class Batches:
    """Makes the batch of any step of a stage, one step ahead of the training."""

    def __init__(
        self,
        model: ModelConfig,
        stage: StageConfig,
        config: TrainConfig,
        source: Source,
        encode: Callable[[list[str]], TextStates],
        number: int,
        device: str,
        part: slice = slice(None),
    ) -> None:
        """part: what this process takes of every batch. ValueError for shifts or a crop that do not fit the scales."""
        self.model, self.stage, self.config, self.source, self.encode = model, stage, config, source, encode
        self.number, self.device, self.part = number, device, part
        self.scales = tuple(size for size in model.scales if size <= stage.top)
        if config.shifts is not None and len(config.shifts) != len(model.scales):
            raise ValueError(f"Shifts: expected {len(model.scales)}, one for each of {model.scales}, got {len(config.shifts)}.")
        self.schedule = config.schedule(model.scales)
        nested_windows(model, stage.top, stage.crop, 1, torch.Generator())  # says where a crop does not fit

    def make(self, step: int) -> Batch:
        """The batch of step number ``step``: a function of the seed, the stage and the step alone."""
        generator = torch.Generator().manual_seed((self.config.seed * 1_000_003 + self.number) * 2**24 + step)
        stage, count = self.stage, self.stage.batch
        pictures, captions = self.source.draw(count, generator, self.part)
        if self.config.mirror:
            turned = (torch.rand(count, generator=generator) < self.config.mirror)[self.part]
            pictures = torch.where(sent(turned, pictures.device)[:, None, None, None], pictures.flip(-1), pictures)
            captions = [mirrored(text) if turn else text for text, turn in zip(captions, turned.tolist(), strict=True)]
        shifts = draw_shifts(self.config, self.scales, count, generator)
        t = draw_times(stage, shifts.scale(-1), generator)
        if stage.steps is not None:
            t = torch.full_like(t, stage.step_times(step, self.schedule.last)[0])
        dropped = torch.rand(count, generator=generator) < self.config.text_dropout
        independent = int(round(self.config.independent * count))
        windows = nested_windows(self.model, stage.top, stage.crop, count, generator)
        noise_seed = int(torch.randint(0, 2**31, (1,), generator=generator))
        shifts, t = shifts.of(self.part), t[self.part]
        windows = {size: window.of(self.part) for size, window in windows.items()}
        text = self._text(captions, noise_seed).drop(sent(dropped[self.part], self.device))

        x0 = image_pyramid(sent(pictures, self.device), self.scales)
        eps = self._noise(count, independent, noise_seed, windows)
        drawn = {size: shifted_cosine_logsnr(t, *shifts.scale(index)) for index, size in enumerate(self.scales)}
        logsnr = {size: sent(value.clamp(max=self.schedule.ceiling), self.device) for size, value in drawn.items()}
        x0 = {size: windows[size].crop(x) if size in windows else x for size, x in x0.items()}
        z = {size: noisy(x0[size], eps[size], logsnr[size]) for size in self.scales}
        shared = (torch.arange(count, device=self.device) >= independent).float()[self.part]
        return Batch(x0, z, logsnr, shared, text, windows)

    def _text(self, captions: list[str], seed: int) -> TextStates:
        """The captions' states, as exact as the config has them."""
        text, config = self.encode(captions).to(self.device), self.config
        if not (config.text_noise or config.token_dropout):
            return text
        first, _, _ = self.part.indices(self.stage.batch)  # each process blurs its own captions in its own way
        generator = torch.Generator(self.device).manual_seed(seed + 2**31 + first)
        return text.blurred(config.text_noise, config.token_dropout, generator)

    def _noise(self, count: int, independent: int, seed: int, windows: Mapping[int, Window]) -> dict[int, Tensor]:
        """Noise per scale, in its window: the first ``independent`` samples have fresh noise at every scale, the others share it.

        The slack is made for the windows alone; the rest for whole pictures, which the low-pass of shared noise needs.
        """
        generator = torch.Generator(self.device).manual_seed(seed)

        def fresh(batch: int, size: int) -> Tensor:
            return torch.randn(batch, 3, size, size, generator=generator, device=self.device)

        def cropped(noise: Mapping[int, Tensor], samples: slice) -> dict[int, Tensor]:
            return {size: windows[size].of(samples).crop(e) if size in windows else e for size, e in noise.items()}

        first, after, _ = self.part.indices(count)
        sharing = slice(max(0, first - independent), max(0, after - independent))
        finest = fresh(count - independent, self.scales[-1])[sharing]
        shared = noise_pyramid(finest, self.scales, self.config.noise)
        alone = max(0, min(independent, after) - first)  # of this process's samples those before the ones that share
        shared = cropped(shared, slice(alone, None))
        if self.config.noise_slack:
            slack = self.config.noise_slack * torch.rand(count - independent, 1, 1, 1, generator=generator, device=self.device)
            own = {size: fresh(count - independent, noise.shape[-1])[sharing] for size, noise in shared.items()}
            shared = {size: loosened(shared[size], own[size], slack[sharing]) for size in self.scales}
        own = cropped({size: fresh(independent, size)[first:after] for size in self.scales}, slice(alone))
        return {size: torch.cat([own[size], shared[size]]) for size in self.scales}

    def ahead(self, first: int) -> Iterator[Batch]:
        """The batches from step ``first`` on; beside an accelerator each is made while the one before is trained on."""
        if self.device == "cpu":  # there the two would only fight for the same cores
            yield from map(self.make, itertools.count(first))
        with ThreadPoolExecutor(max_workers=1) as pool:
            waiting = pool.submit(self.make, first)
            for step in itertools.count(first + 1):
                batch = waiting.result()
                waiting = pool.submit(self.make, step)
                yield batch
