"""The prompt, conditioning and convolutional blocks of the layered U-Net (simple diffusion, appendix B; DiMR)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layered.architecture import TimeMode

# ------------------------------------------------------------------ the prompt


@dataclass(frozen=True)
class TextStates:
    """What a frozen text encoder says of a batch of prompts."""

    tokens: Tensor  # (B, L, D) states of the tokens
    mask: Tensor  # (B, L) bool, True where there is a token
    pooled: Tensor  # (B, D) one vector for the whole prompt

    @classmethod
    def empty(cls, batch: int, width: int, device: torch.device | str = "cpu") -> TextStates:
        """The unconditional prompt of classifier-free guidance: nothing to attend to, and a pooled zero."""
        return cls(
            tokens=torch.zeros(batch, 1, width, device=device),
            mask=torch.zeros(batch, 1, dtype=torch.bool, device=device),
            pooled=torch.zeros(batch, width, device=device),
        )

    @classmethod
    def cat(cls, parts: list[TextStates]) -> TextStates:
        """One batch out of several, padded to the longest."""
        length = max(part.tokens.shape[1] for part in parts)
        return cls(
            tokens=torch.cat([F.pad(part.tokens, (0, 0, 0, length - part.tokens.shape[1])) for part in parts]),
            mask=torch.cat([F.pad(part.mask, (0, length - part.mask.shape[1])) for part in parts]),
            pooled=torch.cat([part.pooled for part in parts]),
        )

    def to(self, device: torch.device | str) -> TextStates:
        """The same states on another device."""
        return TextStates(self.tokens.to(device), self.mask.to(device), self.pooled.to(device))

    def first(self, count: int) -> TextStates:
        """The first ``count`` prompts of the batch."""
        return TextStates(self.tokens[:count], self.mask[:count], self.pooled[:count])

    def expand(self, batch: int) -> TextStates:
        """One prompt for a batch of samples."""
        return TextStates(self.tokens.expand(batch, -1, -1), self.mask.expand(batch, -1), self.pooled.expand(batch, -1))

    def drop(self, dropped: Tensor) -> TextStates:
        """The same batch, unconditional where ``dropped`` (B,) is True (training for classifier-free guidance)."""
        keep = ~dropped
        return TextStates(self.tokens, self.mask & keep[:, None], self.pooled * keep[:, None])

    def blurred(self, noise: float, hidden: float, generator: torch.Generator) -> TextStates:
        """The same batch told less exactly, so that words near those of the training captions come to mean the same.

        Every state gets Gaussian noise of ``noise`` times its own deviation over the channels; every token is hidden from
        attention with the probability ``hidden``. ``generator`` is on the states' device.
        """

        def noisy(states: Tensor) -> Tensor:
            drawn = torch.randn(states.shape, generator=generator, device=states.device)
            return states + noise * states.std(dim=-1, keepdim=True) * drawn

        seen = torch.rand(self.mask.shape, generator=generator, device=self.mask.device) >= hidden
        return TextStates(noisy(self.tokens), self.mask & seen, noisy(self.pooled))


Prompts = TextStates | Mapping[int, TextStates]  # one prompt for all scales, or each scale's own


def prompt_at(text: Prompts, size: int) -> TextStates:
    """The prompt of the scale of ``size`` pixels. ValueError where there is none."""
    if isinstance(text, TextStates):
        return text
    if size not in text:
        raise ValueError(f"There is no prompt for the scale of {size} pixels, only for {', '.join(map(str, text))}.")
    return text[size]


# ------------------------------------------------------------------ norms and convolutions


def channel_norm(x: Tensor) -> Tensor:
    """Layer norm over the channels of every pixel, without affine. (B, C, H, W) → same.

    Statistics of one pixel only: a crop is normalised like the full frame, which strategic cropping needs.
    """
    return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)


def zero_init(module: nn.Module) -> nn.Module:
    """The module with its weights and bias at zero, so that what it adds starts as nothing."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class Downsample(nn.Conv2d):
    """A convolution of k × k patches with stride k. (B, C, H, W) → (B, C', H/k, W/k)."""

    def __init__(self, width_in: int, width_out: int, factor: int) -> None:
        super().__init__(width_in, width_out, factor, stride=factor)


class Upsample(nn.Module):
    """A 1 × 1 convolution and a pixel shuffle. (B, C, H, W) → (B, C', kH, kW)."""

    def __init__(self, width_in: int, width_out: int, factor: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out * factor**2, 1)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.factor == 1:
            return x
        return F.pixel_shuffle(x, self.factor).contiguous(memory_format=torch.channels_last)


class CascadeUpsample(Upsample):
    """DiMR's way from a lower branch into the next: norm, linear, pixel shuffle, norm. (B, C, H, W) → (B, C', kH, kW).

    The last norm has a gain and a bias; the linear layer takes up those of the first.
    """

    def __init__(self, width_in: int, width_out: int, factor: int) -> None:
        super().__init__(width_in, width_out, factor)
        self.gain = nn.Parameter(torch.ones(width_out))
        self.bias = nn.Parameter(torch.zeros(width_out))

    def forward(self, x: Tensor) -> Tensor:
        return channel_norm(super().forward(channel_norm(x))) * self.gain[:, None, None] + self.bias[:, None, None]


# ------------------------------------------------------------------ time in the blocks


class FiLM(nn.Linear):
    """Gain and bias of a norm from the conditioning vector, 1 and 0 to begin with. (B, T) → two (B, C)."""

    def __init__(self, time_width: int, width: int) -> None:
        super().__init__(time_width, 2 * width)
        zero_init(self)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        scale, bias = super().forward(condition).chunk(2, dim=1)
        return 1 + scale, bias


class TimeDependentAffine(nn.Module):
    """Gain γ(u) and bias β(u) of DiMR's time-dependent layer norm (arXiv 2406.09416), 8 parameters per channel.

    Each is θ(u) = s p₀ + (1 − s) p₁ with s = sigmoid(u (1 + w) + b), four learned vectors, and u the time scaled to [−1, 1].
    To begin with p₀ = p₁ is 1 for the gain and 0 for the bias, and w = b = 0: a plain layer norm. (B,) → two (B, C).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        zeros, ones = torch.zeros(2, width), torch.ones(2, width)
        self.gain = nn.Parameter(torch.cat([ones, zeros]))  # p₀, p₁, w, b
        self.bias = nn.Parameter(torch.cat([zeros, zeros]))

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self._at(u, self.gain), self._at(u, self.bias)

    @staticmethod
    def _at(u: Tensor, parameters: Tensor) -> Tensor:
        p0, p1, w, b = parameters
        s = torch.sigmoid(u[:, None] * (1 + w) + b)
        return s * p0 + (1 - s) * p1


def affine(time: TimeMode, time_width: int, width: int) -> FiLM | TimeDependentAffine:
    """What turns what a block is told of the time into gain and bias of a norm."""
    return FiLM(time_width, width) if time == "film" else TimeDependentAffine(width)


# ------------------------------------------------------------------ convolutional blocks


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions, the norm between them told the time (simple diffusion, appendix B). (B, C, H, W) → same."""

    def __init__(self, width: int, time_width: int, time: TimeMode = "film", dropout: float = 0.0) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.film = affine(time, time_width, width)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = zero_init(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv_in(F.silu(channel_norm(x)))
        gain, bias = self.film(condition)
        h = F.silu(channel_norm(h) * gain[:, :, None, None] + bias[:, :, None, None])
        return x + self.conv_out(self.dropout(h))


class ConvNeXtBlock(nn.Module):
    """DiMR's block for fine grids: x + dwconv₇ₓ₇(x), then x + W₂ (GELU(W₀ n) ⊙ W₁ n), n = norm(x) told the time, 2C hidden
    channels. (B, C, H, W) → same. It starts as the identity, as all blocks here do."""

    def __init__(self, width: int, time_width: int, time: TimeMode = "film", dropout: float = 0.0) -> None:
        super().__init__()
        self.depthwise = zero_init(nn.Conv2d(width, width, 7, padding=3, groups=width))
        self.film = affine(time, time_width, width)
        self.inner = nn.Conv2d(width, 4 * width, 1)  # W₀ and W₁
        self.dropout = nn.Dropout(dropout)
        self.outer = zero_init(nn.Conv2d(2 * width, width, 1))  # W₂

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = x + self.depthwise(x)
        gain, bias = self.film(condition)
        n = channel_norm(x) * gain[:, :, None, None] + bias[:, :, None, None]
        gate, value = self.inner(n).chunk(2, dim=1)
        return x + self.outer(self.dropout(F.gelu(gate) * value))


# ------------------------------------------------------------------ conditioning


class LogSNRFeatures(nn.Module):
    """Sines and cosines of a log-SNR at geometric frequencies. (B,) → (B, 2n)."""

    def __init__(self, count: int = 32, low: float = 0.03, high: float = 6.0) -> None:
        super().__init__()
        frequencies = torch.exp(torch.linspace(math.log(low), math.log(high), count))  # radians per unit of log-SNR
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.width = 2 * count

    def forward(self, logsnr: Tensor) -> Tensor:
        angles = logsnr[:, None].float() * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class LevelCondition(nn.Module):
    """The conditioning vector of one level: its log-SNR, that of the level below, the prompt, how noise is shared."""

    def __init__(self, text_width: int, width: int) -> None:
        super().__init__()
        self.features = LogSNRFeatures()
        self.own = nn.Linear(self.features.width, width)
        self.below = nn.Linear(self.features.width, width)
        self.text = nn.Linear(text_width, width)
        self.shared_noise = nn.Linear(1, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, logsnr: Tensor, logsnr_below: Tensor, pooled: Tensor, shared_noise: Tensor) -> Tensor:
        """logsnr, logsnr_below, shared_noise (B,), pooled (B, D) → (B, C); shared_noise is 1 or 0."""
        h = self.own(self.features(logsnr)) + self.below(self.features(logsnr_below))
        h = h + self.text(pooled) + self.shared_noise(shared_noise[:, None])
        return F.silu(self.out(F.silu(h)))


class LevelBias(LevelCondition):
    """The same as a bias of the level's channels, nothing to begin with. (B,), (B,), (B, D), (B,) → (B, C).

    Time-dependent layer norms are told the level's own time alone: the rest is added once where the level is entered.
    """

    def __init__(self, text_width: int, width: int, level_width: int) -> None:
        super().__init__(text_width, width)
        self.bias = zero_init(nn.Linear(width, level_width))

    def forward(self, logsnr: Tensor, logsnr_below: Tensor, pooled: Tensor, shared_noise: Tensor) -> Tensor:
        return self.bias(super().forward(logsnr, logsnr_below, pooled, shared_noise))
