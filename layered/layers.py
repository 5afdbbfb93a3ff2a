"""The blocks of the layered U-Net: conditioning, residual and transformer blocks, patches (simple diffusion, appendix B)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

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


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions with FiLM conditioning between them (simple diffusion, appendix B). (B, C, H, W) → same."""

    def __init__(self, width: int, time_width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.film = zero_init(nn.Linear(time_width, 2 * width))
        self.conv_out = zero_init(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv_in(F.silu(channel_norm(x)))
        scale, bias = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        return x + self.conv_out(F.silu(channel_norm(h) * (1 + scale) + bias))


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


# ------------------------------------------------------------------ transformer


class Attention(nn.Module):
    """Multi-head attention with normalised queries and keys. (B, N, C), (B, M, C') → (B, N, C)."""

    def __init__(self, width: int, context_width: int, head_width: int) -> None:
        super().__init__()
        self.heads = width // head_width
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(context_width, width, bias=False)
        self.value = nn.Linear(context_width, width, bias=False)
        self.out = zero_init(nn.Linear(width, width, bias=False))
        self.scale = nn.Parameter(torch.full((self.heads, 1, 1), 1.0))

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (
            rearrange(project(value), "b n (h c) -> b h n c", h=self.heads)
            for project, value in ((self.query, x), (self.key, context), (self.value, context))
        )
        q = F.rms_norm(q, q.shape[-1:]) * self.scale.to(q.dtype)
        k = F.rms_norm(k, k.shape[-1:])
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # spelt out: on few tokens in bfloat16 4 times faster on a CPU
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -torch.inf)
        h = scores.softmax(dim=-1).to(v.dtype) @ v
        return self.out(rearrange(h, "b h n c -> b n (h c)"))


class TransformerBlock(nn.Module):
    """Self-attention, attention to the prompt and an MLP, each modulated and gated (adaLN-Zero). (B, N, C) → same."""

    def __init__(self, width: int, text_width: int, time_width: int, head_width: int) -> None:
        super().__init__()
        self.modulation = zero_init(nn.Linear(time_width, 6 * width))
        self.attention = Attention(width, width, head_width)
        self.cross = Attention(width, text_width, head_width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = zero_init(nn.Linear(4 * width, width))

    def forward(self, x: Tensor, condition: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        scale1, bias1, gate1, scale2, bias2, gate2 = self.modulation(condition)[:, None].chunk(6, dim=2)
        width = x.shape[-1:]
        h = F.layer_norm(x, width) * (1 + scale1) + bias1
        x = x + (1 + gate1) * self.attention(h, h)
        x = x + self.cross(F.layer_norm(x, width), text, mask)
        h = F.layer_norm(x, width) * (1 + scale2) + bias2
        return x + (1 + gate2) * self.mlp_out(F.gelu(self.mlp_in(h), approximate="tanh"))


class Trunk(nn.Module):
    """Transformer blocks over the pixels of a small grid, with a learned position each. (B, C, G, G) → same."""

    def __init__(self, width: int, depth: int, grid: int, text_width: int, time_width: int, head_width: int) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(1, grid * grid, width))
        self.no_prompt = nn.Parameter(0.02 * torch.randn(1, 1, text_width))  # always attended to, alone without a prompt
        self.blocks = nn.ModuleList(TransformerBlock(width, text_width, time_width, head_width) for _ in range(depth))

    def forward(self, x: Tensor, condition: Tensor, text: TextStates) -> Tensor:
        grid = x.shape[-1]
        states = F.layer_norm(text.tokens, text.tokens.shape[-1:])
        states = torch.cat([self.no_prompt.expand(len(x), -1, -1).to(states.dtype), states], dim=1)
        mask = F.pad(text.mask, (1, 0), value=True)
        h = rearrange(x, "b c y x -> b (y x) c") + self.position
        for block in self.blocks:
            h = block(h, condition, states, mask)
        return rearrange(h, "b (y x) c -> b c y x", y=grid).contiguous(memory_format=torch.channels_last)
