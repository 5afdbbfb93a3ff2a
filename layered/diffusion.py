"""From network outputs to pictures: sleeping levels and classifier-free guidance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from layered.layers import Prompts, TextStates, prompt_at
from layered.pyramid import enlarge_image
from layered.schedule import SETTLED

if TYPE_CHECKING:
    from layered.unet import LayeredUNet, LevelOutput

ROUNDING = 1e-4  # of a log-SNR in float32

# ------------------------------------------------------------------ sleeping levels


def predict(outputs: Mapping[int, LevelOutput], z: Mapping[int, Tensor], below: Tensor | None = None) -> dict[int, Tensor]:
    """The prediction of every scale of ``z``, coarse to fine; a scale without an output is enlarged from below (it sleeps).

    ``below`` is the prediction of the scale below those of ``z``.
    """
    x0: dict[int, Tensor] = {}
    previous = below
    for size in sorted(z):
        if size in outputs:
            previous = outputs[size].x0
        elif previous is None:
            raise ValueError(f"The coarsest level ({size} pixels) has no output: it cannot sleep.")
        else:
            previous = enlarge_image(previous, size)
        x0[size] = previous
    return x0


def awake_scales(scales: Sequence[int], logsnr: Mapping[int, Tensor], sleep_below: float | None) -> tuple[int, ...]:
    """The scales that are computed: all up to the finest whose log-SNR reaches ``sleep_below``; the base never sleeps."""
    if sleep_below is None:
        return tuple(scales)
    awake = [index for index, size in enumerate(scales) if float(logsnr[size].max()) >= sleep_below]
    return tuple(scales[: max(awake, default=0) + 1])


# ------------------------------------------------------------------ guidance


class Handover(NamedTuple):
    """What the finer scales need of the coarser ones when these were computed before (``order`` coarse-first)."""

    size: int  # of the finest of the coarser scales
    x0: Tensor  # (B, 3, S, S), its picture for the prompt
    change: Tensor | None  # (B, 3, S, S), what guidance did to it; None where no guidance is applied
    output: LevelOutput | None  # for the level above; None where all finer scales sleep
    empty: LevelOutput | None  # the same for the empty prompt; None where no finer scale is guided


class Prediction(NamedTuple):
    """What a denoiser says of one state."""

    x0: dict[int, Tensor]  # guided prediction per scale
    x0_plain: dict[int, Tensor] | None  # the conditional prediction without guidance, where guidance was applied
    asleep: tuple[int, ...] = ()  # scales that were enlarged from below instead of computed
    handover: Handover | None = None  # for the finer scales, where the state had none of them


def guide(x0: Tensor, x0_empty: Tensor, weight: float, parallel: float = 1.0) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598): x̂ = x̂(∅) + w Δ, Δ = x̂(prompt) − x̂(∅); w = 1 is none.

    The part of Δ that lies along x̂(prompt) only makes its contrasts harder. ``parallel``, 0 to 1, says how much of what that part
    adds to x̂(prompt) stays: the η of adaptive projected guidance (arXiv 2410.02416), whose limit and momentum are left out.
    Here x̂(prompt) is taken about its mean, so that brightness does not count as contrast. Pictures are (B, C, H, W).
    """
    change = x0 - x0_empty
    guided = x0_empty + weight * change
    if parallel == 1:
        return guided
    dims = (1, 2, 3)
    contrast = x0 - x0.mean(dims, keepdim=True)
    share = (change * contrast).sum(dims, keepdim=True) / contrast.square().sum(dims, keepdim=True).clamp_min(1e-12)
    return guided - (weight - 1) * (1 - parallel) * share * contrast


class _Settled(NamedTuple):
    """What a level said of a state that stays as it is."""

    z: Tensor  # the state itself, by which it is known again
    output: LevelOutput
    empty: LevelOutput | None  # for the empty prompt, where the scale is guided


class GuidedDenoiser:
    """A network, a prompt and a guidance, as the one callable that the sampler needs.

    It holds what it said last: scales that have settled, from the coarsest on, are not computed again.
    """

    def __init__(
        self,
        model: LayeredUNet,
        text: Prompts,
        *,
        guidance: float | Sequence[float] = 1.0,
        parallel: float = 1.0,
        interval: tuple[float, float] = (0.0, 1.0),
        guided_up_to: int | None = None,
        shared_noise: bool = True,
        sleep_below: float | None = None,
        detail: float = 1.0,
    ) -> None:
        """text: one prompt per sample, or one for each scale of the model; guidance: one weight or one per scale, applied while t
        is in ``interval``; ``parallel`` as of ``guide``; ``detail`` weighs what levels above the base add (``Level.predict``).

        With ``guided_up_to``, in pixels, finer scales run for the prompt alone (the coarsest is always guided), and their
        detail is added to the guided picture below: x̂ = x̂(prompt) + enlarged(guided x̂ − x̂(prompt), both of the scale below).
        A nested network computes all its scales in one pass: there none sleeps and all are guided, whatever ``sleep_below`` and
        ``guided_up_to`` say. ValueError for a network that would drop features, for another number of weights, and for a
        ``detail`` other than 1 where no level adds to the one below.
        """
        if model.config.dropout and any(module.training for module in model.modules()):
            raise ValueError("This network is being trained and drops features at random: draw with model.eval().")
        scales = model.config.scales
        if model.config.downsampling == "nested":
            guided_up_to, sleep_below = None, None
        weights = tuple(guidance) if isinstance(guidance, Sequence) else (guidance,) * len(scales)
        if len(weights) != len(scales):
            raise ValueError(
                f"Guidance needs one weight, or one for each of the {len(scales)} scales {scales}: got {len(weights)}."
            )
        if detail != 1 and not model.config.adds:
            raise ValueError("No level of this network adds to the one below it: leave detail at 1.")
        for size in scales:
            prompt_at(text, size)  # refuses a scale without a prompt before the first step
        self.model, self.text = model, text
        self.weights = dict(zip(scales, weights, strict=True))
        self.guided = tuple(size for size in scales if guided_up_to is None or size <= max(guided_up_to, scales[0]))
        self.interval, self.parallel, self.detail = interval, parallel, detail
        self.shared_noise, self.sleep_below = shared_noise, sleep_below
        self._settled: dict[int, _Settled] = {}

    @torch.no_grad()
    def __call__(
        self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float, below: Handover | None = None
    ) -> Prediction:
        """z: per scale (B, 3, S, S); logsnr: per scale of the run (B,); t in [0, 1].

        Without the finest scales in ``z`` the prediction has a handover; given as ``below``, the scales above it can follow.
        """
        awake = awake_scales(tuple(logsnr), logsnr, self.sleep_below)
        own = [size for size in awake if size in z]
        finer = [size for size in awake if size > max(z)]
        guided = self._guided_scales(tuple(logsnr), t)
        outputs, without = self._both(own, guided, z, logsnr, below)
        plain = predict(outputs, z, below and below.x0)
        x0 = self._guided(plain, predict(without, {s: z[s] for s in without}), below and below.change) if guided else plain
        handover = None
        if max(z) < max(logsnr):
            handover = _handover(max(z), x0, plain, outputs if finer else {}, without if guided & set(finer) else {})
        return Prediction(x0, plain if guided else None, tuple(size for size in z if size not in awake), handover)

    def _guided_scales(self, scales: Sequence[int], t: float) -> set[int]:
        """The scales that also run for the empty prompt; none where no guidance is applied."""
        sizes = {size for size in self.guided if size in scales}
        applied = self.interval[0] <= t <= self.interval[1] and any(self.weights[size] != 1.0 for size in sizes)
        return sizes if applied else set()

    def _both(
        self, sizes: Sequence[int], guided: set[int], z, logsnr, below: Handover | None
    ) -> tuple[dict[int, LevelOutput], dict[int, LevelOutput]]:
        """The outputs of ``sizes`` for the prompt, and those of the guided ones for the empty prompt: one batch of both."""
        batch = len(next(iter(z.values())))
        outputs, without = self._known(sizes, guided, z)
        last = below and below.size
        start, start_empty = (below.output, below.empty) if below else (None, None)
        if outputs:
            last = max(outputs)
            start, start_empty = outputs[last], without.get(last)
        to_run = [size for size in sizes if size not in outputs]
        if twice := [size for size in to_run if size in guided]:
            both = self._run(twice, _twice(z), _twice(logsnr), _and_empty(self.text), last and (last, start.joined(start_empty)))
            without |= {size: output.part(slice(batch, None)) for size, output in both.items()}
            outputs |= {size: output.part(slice(batch)) for size, output in both.items()}
            last, start = twice[-1], outputs[twice[-1]]
        if rest := [size for size in to_run if size not in guided]:
            outputs |= self._run(rest, z, logsnr, self.text, last and (last, start))
        still = itertools.takewhile(lambda size: float(logsnr[size].min()) >= SETTLED - ROUNDING, sorted(logsnr))
        self._settled = {size: _Settled(z[size], outputs[size], without.get(size)) for size in still if size in outputs}
        return outputs, without

    def _known(self, sizes: Sequence[int], guided: set[int], z) -> tuple[dict[int, LevelOutput], dict[int, LevelOutput]]:
        """The outputs of the last call for the coarsest scales whose state is still the very same."""
        outputs: dict[int, LevelOutput] = {}
        without: dict[int, LevelOutput] = {}
        for size in sizes:
            known = self._settled.get(size)
            if known is None or known.z is not z[size] or (size in guided and known.empty is None):
                break
            outputs[size] = known.output
            if size in guided:
                without[size] = known.empty
        return outputs, without

    def _run(self, sizes: Sequence[int], z, logsnr, text: Prompts, below) -> dict[int, LevelOutput]:
        shared = torch.full_like(logsnr[sizes[0]], float(self.shared_noise))
        return self.model({size: z[size] for size in sizes}, logsnr, text, shared, below=below, detail=self.detail)

    def _guided(self, plain: Mapping[int, Tensor], without: Mapping[int, Tensor], change: Tensor | None) -> dict[int, Tensor]:
        """The guided picture of every scale of ``plain``; ``without`` holds the unconditional ones of those that are guided.

        ``change`` is what guidance did to the scale below.
        """
        x0: dict[int, Tensor] = {}
        for size, picture in plain.items():
            if size in without:
                x0[size] = guide(picture, without[size], self.weights[size], self.parallel)
            else:
                x0[size] = picture + enlarge_image(change, size)
            change = x0[size] - picture
        return x0


def _handover(
    size: int,
    x0: Mapping[int, Tensor],
    plain: Mapping[int, Tensor],
    outputs: Mapping[int, LevelOutput],
    without: Mapping[int, LevelOutput],
) -> Handover:
    """The handover of the scale ``size``, in memory of its own: the outputs are parts of a larger batch."""
    change = None if x0 is plain else x0[size] - plain[size]
    kept = [outputs[size].copied() if size in outputs else None for outputs in (outputs, without)]
    return Handover(size, plain[size].clone(), change, *kept)


def _and_empty(text: Prompts) -> Prompts:
    """A batch of prompts followed by as many empty ones, at every scale that has its own."""
    if not isinstance(text, TextStates):
        return {size: _and_empty(prompt) for size, prompt in text.items()}
    return TextStates.cat([text, TextStates.empty(len(text.mask), text.tokens.shape[-1], text.tokens.device)])


def _twice(values: Mapping[int, Tensor]) -> dict[int, Tensor]:
    return {size: torch.cat([value, value]) for size, value in values.items()}
