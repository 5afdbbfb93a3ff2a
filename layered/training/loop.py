"""The training loop: every stage of a plan in turn, resumable, with a progress bar, a log and sample sheets."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from layered.config import ModelConfig
from layered.layers import TextStates
from layered.losses import scale_losses, weighted_sum
from layered.training.batches import Batch, Batches
from layered.training.optim import PowerEMA, learning_rate, make_optimizers, trunk_matrices
from layered.training.plan import StageConfig, TrainConfig
from layered.training.sources import Source
from layered.training.state import Progress, Run, load_optimizers, load_progress, load_weights, save_state
from layered.training.team import Team
from layered.unet import LayeredUNet, LevelOutput


def batch_losses(model: LayeredUNet, batch: Batch, train: Sequence[int], config: TrainConfig) -> dict[int, Tensor]:
    """The loss of every scale that learns; the levels below the coarsest of them run without gradients."""
    sizes = list(batch.z)
    frozen = [size for size in sizes if size < min(train)]
    device = batch.shared_noise.device.type

    def run(part: list[int], below: tuple[int, LevelOutput] | None) -> dict[int, LevelOutput]:
        z = {size: batch.z[size] for size in part}
        with torch.autocast(device, torch.bfloat16, enabled=config.autocast):
            return model(z, batch.logsnr, batch.text, batch.shared_noise, below=below, windows=batch.windows)

    below = None
    if frozen:
        with torch.no_grad():
            below = frozen[-1], run(frozen, None)[frozen[-1]]
    x0_hat = {size: output.x0 for size, output in run(sizes[len(frozen) :], below).items()}
    return scale_losses(model.config, x0_hat, batch.x0, batch.logsnr, config.loss)


class _Running:
    """Running means of the losses. A step's are read when the next one is under way, so that a GPU never waits for that."""

    def __init__(self, team: Team) -> None:
        self.team, self.means, self._last = team, dict[int, float](), dict[int, Tensor]()

    def add(self, losses: dict[int, Tensor]) -> None:
        """Those of a step that was just begun."""
        self._read()
        self._last = losses

    def all(self) -> dict[int, float]:
        """The means, with the last step's losses."""
        self._read()
        return self.means

    def _read(self) -> None:
        told = self.team.mean([float(loss) for loss in self._last.values()]) if self._last else []
        for size, loss in zip(self._last, told, strict=True):
            self.means[size] = 0.98 * self.means.get(size, loss) + 0.02 * loss
        self._last = {}


class Trainer:
    """One run: a model, a plan and a folder that holds its state."""

    def __init__(
        self,
        model: LayeredUNet,
        plan: Sequence[StageConfig],
        config: TrainConfig,
        sources: Sequence[Source],
        encode: Callable[[list[str]], TextStates],
        folder: Path,
        device: str = "cpu",
        save_minutes: float = 3.0,
        on_checkpoint: Callable[[LayeredUNet, StageConfig, Progress], None] | None = None,
        compiled: int = 0,
        team: Team | None = None,
    ) -> None:
        """``compiled``: the network is compiled in so many of the stages, from the first on.

        ValueError for what a stage would stop at: no pictures that fit it, a batch that cannot be shared evenly, shifts, crops
        or weights of the loss that do not fit its scales.
        """
        self.team = team or Team(device)
        device = self.team.device
        self.model, self.plan, self.config = model.to(device), tuple(plan), config
        self.sources, self.folder, self.device = sources, folder, device
        self.save_seconds, self.on_checkpoint = 60 * save_minutes, on_checkpoint
        self.scale_weights = config.loss.weights(model.config)
        for stage in self.plan:
            self._check_weights(stage)
        self.identity = Run.of(model.config, [stage.name for stage in self.plan])
        self.batches = [
            Batches(model.config, stage, config, self._source(stage), encode, index, device, self.team.share(stage.batch))
            for index, stage in enumerate(self.plan)
        ]
        self.compiled, self.fast = self.plan[:compiled], torch.compile(self.model) if compiled else self.model

    def _check_weights(self, stage: StageConfig) -> None:
        learning = [size for size in self.model.config.scales if min(stage.train) <= size <= stage.top]
        if not any(self.scale_weights[size] for size in learning):
            scales = ", ".join(map(str, learning))
            raise ValueError(f"Stage {stage.name}: its scales {scales} all have the weight 0, so nothing would be learnt.")

    def run(self) -> Progress:
        """Train from where the folder stands to the end of the plan; leaves the averaged weights in the model.

        TrainingError where the folder's run is another one, or a picture cannot be read.
        """
        progress = load_progress(self.folder)
        resumed = progress is not None
        if resumed:
            self.identity.check(self.folder, progress)
        progress = progress or Progress()
        left = [index for index, stage in enumerate(self.plan) if stage.name not in progress.finished]
        if resumed and not left:
            load_weights(self.folder, self.model, self.model)  # the averages come last
        for index in left:
            self._stage(index, progress, resumed)
            resumed = False
        return progress

    def _stage(self, index: int, progress: Progress, resumed: bool) -> None:
        stage = self.plan[index]
        if stage in self.compiled:
            torch.compiler.reset()  # what was compiled for other stages would count towards dynamo's limit of variants
        self.model.eval().requires_grad_(False)
        for size in stage.train:
            for module in self.model.level_modules(size):
                module.train().requires_grad_(True)  # dropout too: frozen levels give what they give when pictures are drawn
        if not stage.matrices:
            for matrix in trunk_matrices(self.model, stage.train):
                matrix.requires_grad_(False)
        optimizers = make_optimizers(self.model, stage, self.config, self.team)
        ema = PowerEMA(self.model, self.config.ema_power)
        if resumed:
            tensors = load_weights(self.folder, self.model, ema.model)
            if progress.step:
                load_optimizers(self.folder, tensors, optimizers)
        progress.stage = stage.name
        self._train(stage, progress, optimizers, ema, self.batches[index])
        self.model.load_state_dict(ema.model.state_dict())  # the next stage stands on the averaged weights
        progress.history += ({"stage": stage.name, "pictures": progress.pictures, "seconds": round(progress.seconds)},)
        progress.stage, progress.step, progress.pictures, progress.seconds = "", 0, 0, 0.0
        self._save(progress, stage, ema, [])

    def _train(self, stage: StageConfig, progress: Progress, optimizers, ema: PowerEMA, batches: Batches) -> None:
        """The steps of one stage until its budget is spent."""
        mark = last_save = time.perf_counter()
        running = _Running(self.team)
        quiet = not self.team.leads
        with tqdm(desc=stage.name, unit=" pictures", initial=progress.pictures, mininterval=5, disable=quiet) as bar:
            for batch in batches.ahead(progress.step):
                (done,) = self.team.mean([self._done(stage, progress)])
                if done >= 1:
                    break
                rate = learning_rate(stage, progress.step, done)
                running.add(self._step(batch, stage, optimizers, rate, progress.step))
                ema.update(self.model, progress.step)
                progress.step += 1
                progress.pictures += stage.batch
                bar.update(stage.batch)
                bar.set_postfix({f"loss {size}": f"{loss:.4f}" for size, loss in running.means.items()}, refresh=False)
                now = time.perf_counter()
                progress.seconds += now - mark
                if now - last_save > self.save_seconds:
                    self._log(stage, progress, running.all(), rate)
                    self._save(progress, stage, ema, optimizers)
                    now = last_save = time.perf_counter()  # saving and drawing sheets are not training
                mark = now
        self._log(stage, progress, running.all(), 0.0)

    def _losses(self, batch: Batch, stage: StageConfig, step: int) -> dict[int, Tensor]:
        """What optimisation step number ``step`` of the stage lowers, per scale."""
        return batch_losses(self.runner(stage), batch, stage.train, self.config)

    def runner(self, stage: StageConfig) -> LayeredUNet:
        """The network as the stage runs it: compiled, or as it is."""
        return self.fast if stage in self.compiled else self.model

    def _step(self, batch: Batch, stage: StageConfig, optimizers, rate: float, step: int) -> dict[int, Tensor]:
        with self._dropout(stage, step):
            losses = self._losses(batch, stage, step)
        weighted_sum(losses, self.scale_weights).backward()
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self.team.average_gradients(learning)
        torch.nn.utils.clip_grad_norm_(learning, self.config.clip_norm)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return {size: loss.detach() for size, loss in losses.items()}

    @contextlib.contextmanager
    def _dropout(self, stage: StageConfig, step: int) -> Iterator[None]:
        """Within, what is dropped is a function of the seed, the stage, the step and the process, so that a run can resume."""
        if not self.model.config.dropout:
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.startswith("cuda") else []):
            number = self.plan.index(stage) * self.team.count + self.team.rank
            torch.manual_seed((self.config.seed * 1_000_003 + number) * 2**24 + step)
            yield

    def _done(self, stage: StageConfig, progress: Progress) -> float:
        if stage.pictures is not None:
            return progress.pictures / stage.pictures
        return progress.seconds / (60 * stage.minutes)

    def _source(self, stage: StageConfig) -> Source:
        fitting = [source for source in self.sources if source.size in (stage.top << halvings for halvings in range(16))]
        if not fitting:
            sizes = ", ".join(str(source.size) for source in self.sources)
            raise ValueError(
                f"Stage {stage.name} needs pictures of at least {stage.top} pixels, such as can be halved down to that: "
                f"those of the sources have {sizes}."
            )
        return min(fitting, key=lambda source: source.size)

    def _log(self, stage: StageConfig, progress: Progress, losses: dict[int, float], rate: float) -> None:
        if not self.team.leads:
            return
        entry = {
            "stage": stage.name,
            "step": progress.step,
            "pictures": progress.pictures,
            "seconds": round(progress.seconds, 1),
            "lr": rate,
            "loss": {str(size): round(loss, 5) for size, loss in losses.items()},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "log.jsonl", "a") as log:
            log.write(json.dumps(entry) + "\n")

    def _save(self, progress: Progress, stage: StageConfig, ema: PowerEMA, optimizers) -> None:
        if not self.team.leads:
            return
        save_state(self.folder, progress, self.identity, self.model, ema.model, optimizers)
        if self.on_checkpoint:
            self.on_checkpoint(ema.model, stage, progress)


def stacked(model: LayeredUNet, start: LayeredUNet) -> LayeredUNet:
    """``model`` with the levels of ``start`` that are the same in both, from the base up (model stacking, paper section 3.2).

    ValueError when not even the base is the same.
    """
    whole = dataclasses.replace(model.config, levels=start.config.levels) == start.config
    pairs = zip(model.config.levels, start.config.levels, strict=False)
    same = list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)) if whole else []
    if not same:
        raise ValueError("The checkpoint's base is not that of the new network: there is nothing to stack on.")
    for level, _ in same:
        with torch.no_grad():
            for own, given in zip(model.level_parameters(level.size), start.level_parameters(level.size), strict=True):
                own.copy_(given)
    return model


def new_model(config: ModelConfig, seed: int) -> LayeredUNet:
    """A freshly initialised network; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LayeredUNet(config)
