"""Attention, the blocks that have it, and the trunk that is made of them (simple diffusion, section 3.5 and appendix B)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from layered.architecture import TimeMode, TrunkKind
from layered.layers import ResidualBlock, TextStates, TimeDependentAffine, zero_init


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


class AdaLN(nn.Linear):
    """Gain, bias and gate of two sublayers from the conditioning vector, 1, 0 and 1 to begin with. (B, T) → six (B, 1, C)."""

    def __init__(self, time_width: int, width: int) -> None:
        super().__init__(time_width, 6 * width)
        zero_init(self)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        scale1, bias1, gate1, scale2, bias2, gate2 = super().forward(condition)[:, None].chunk(6, dim=2)
        return 1 + scale1, bias1, 1 + gate1, 1 + scale2, bias2, 1 + gate2


class TimeDependentAffines(nn.Module):
    """The same from the time alone (DiMR), without gates. (B,) → (B, 1, C) twice, 1, (B, 1, C) twice, 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = TimeDependentAffine(width), TimeDependentAffine(width)

    def forward(self, u: Tensor) -> tuple[Tensor | float, ...]:
        (gain1, bias1), (gain2, bias2) = self.first(u), self.second(u)
        return gain1[:, None], bias1[:, None], 1.0, gain2[:, None], bias2[:, None], 1.0


class TransformerBlock(nn.Module):
    """Self-attention, attention to the prompt and an MLP, modulated and gated (adaLN-Zero) or with TD-LN. (B, N, C) → same."""

    def __init__(
        self,
        width: int,
        text_width: int,
        time_width: int,
        head_width: int,
        time: TimeMode = "film",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.modulation = AdaLN(time_width, width) if time == "film" else TimeDependentAffines(width)
        self.attention = Attention(width, width, head_width)
        self.cross = Attention(width, text_width, head_width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.dropout = nn.Dropout(dropout)
        self.mlp_out = zero_init(nn.Linear(4 * width, width))

    def forward(self, x: Tensor, condition: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        gain1, bias1, gate1, gain2, bias2, gate2 = self.modulation(condition)
        width = x.shape[-1:]
        h = F.layer_norm(x, width) * gain1 + bias1
        x = x + gate1 * self.attention(h, h)
        x = x + self.cross(F.layer_norm(x, width), text, mask)
        h = F.layer_norm(x, width) * gain2 + bias2
        return x + gate2 * self.mlp_out(self.dropout(F.gelu(self.mlp_in(h), approximate="tanh")))


class AttentionBlock(nn.Module):
    """A residual block, then self-attention and attention to the prompt over its pixels: what simple diffusion's U-Net has where
    its U-ViT has transformer blocks (appendix B.2). (B, C, H, W) → same."""

    def __init__(
        self,
        width: int,
        text_width: int,
        time_width: int,
        head_width: int,
        time: TimeMode = "film",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.residual = ResidualBlock(width, time_width, time, dropout)
        self.attention = Attention(width, width, head_width)
        self.cross = Attention(width, text_width, head_width)

    def forward(self, x: Tensor, condition: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        x = self.residual(x, condition)
        grid, width = x.shape[-1], x.shape[1:2]
        h = rearrange(x, "b c y x -> b (y x) c")
        n = F.layer_norm(h, width)
        h = h + self.attention(n, n)
        h = h + self.cross(F.layer_norm(h, width), text, mask)
        return rearrange(h, "b (y x) c -> b c y x", x=grid).contiguous(memory_format=torch.channels_last)


class Trunk(nn.Module):
    """Blocks with attention on the smallest grid. (B, C, G, G) → same.

    ``u-vit``: transformer blocks over the grid's cells, with a learned position each; ``u-net``: attention blocks, whose
    convolutions know the borders.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        grid: int,
        text_width: int,
        time_width: int,
        head_width: int,
        kind: TrunkKind = "u-vit",
        time: TimeMode = "film",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(1, grid * grid, width)) if kind == "u-vit" else None
        self.no_prompt = nn.Parameter(0.02 * torch.randn(1, 1, text_width))  # always attended to, alone without a prompt
        block = TransformerBlock if kind == "u-vit" else AttentionBlock
        self.blocks = nn.ModuleList(block(width, text_width, time_width, head_width, time, dropout) for _ in range(depth))

    def attended(self, text: TextStates) -> tuple[Tensor, Tensor]:
        """What blocks attend to of a prompt: its normalised states behind the learned one, (B, 1 + L, D), and their mask."""
        states = F.layer_norm(text.tokens, text.tokens.shape[-1:])
        states = torch.cat([self.no_prompt.expand(len(states), -1, -1).to(states.dtype), states], dim=1)
        return states, F.pad(text.mask, (1, 0), value=True)

    def forward(self, x: Tensor, condition: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        if self.position is None:
            for block in self.blocks:
                x = block(x, condition, states, mask)
            return x
        h = rearrange(x, "b c y x -> b (y x) c") + self.position
        for block in self.blocks:
            h = block(h, condition, states, mask)
        return rearrange(h, "b (y x) c -> b c y x", y=x.shape[-1]).contiguous(memory_format=torch.channels_last)
