"""Trains and measures the arms of the ablations: each network once per seed, several at a time, only what is not there yet."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from layered.config import SampleConfig, sample_config_from_dict, to_json_dict
from layered.cost import measure_config
from layered.diffusion import predict
from layered.evaluation.ablations import ABLATIONS, COMMON, Ablation, Arm
from layered.evaluation.accuracy import judge, look
from layered.evaluation.leak import leaks_of
from layered.evaluation.loss import WORLD_SEED
from layered.evaluation.metrics import scale_agreement
from layered.evaluation.probe import WEIGHTS_FILE, Probe, load_probe
from layered.evaluation.prompts import draw_prompts
from layered.evaluation.quality import REFERENCE_WORLD, SPECTRUM, compare
from layered.pipeline import BATCH, LayeredPipeline, draw_pictures
from layered.prediction import noisy
from layered.pyramid import draw_noise, image_pyramid
from layered.schedule import Schedule
from layered.world import Vistas, caption, render

USUAL = SampleConfig(steps=16, guidance=3.0, guidance_parallel=1.0, guided_up_to=32)
TRAINED = "trained"  # file that stands in a network's folder once its checkpoint is whole
MUCH_NOISE = 0.9  # t at which the leak is measured
TIMES = (0.3, 0.5, 0.7)  # t at which predictions of noised renders are compared with the renders

# ------------------------------------------------------------------ what is measured


def arm_measures(pipeline: LayeredPipeline, probe: Probe, config: SampleConfig, count: int, seed: int) -> dict[str, float]:
    """Pictures of ``count`` captions beside renders of other vistas, at the finest scale.

    Lower is better, but for accuracy and dB. The captions are the same for every arm and seed, the noise for every arm.
    """
    prompts, top = draw_prompts("long", count), pipeline.scales[-1]
    drawn = draw_pictures(pipeline, [prompt.text for prompt in prompts], config, first_seed=seed * count)
    values = _beside_renders(drawn[top], prompts, probe) | prediction_errors(pipeline, config, count)
    if len(drawn) > 1:
        below = pipeline.scales[-2]
        values["agreement with the scale below (dB)"] = float(scale_agreement(drawn[top], drawn[below]).mean())
        if pipeline.model.config.downsampling == "isolated":
            leak = leaks_of(pipeline, Schedule.of_run(config, pipeline.scales), MUCH_NOISE, 32)[pipeline.scales[:2]]
            values |= {f"leak: {name}": value for name, value in leak._asdict().items()}
    return values


@torch.no_grad()
def prediction_errors(pipeline: LayeredPipeline, config: SampleConfig, count: int) -> dict[str, float]:
    """Mean squared error of x̂ at the finest scale on ``count`` unseen renders, under a run's schedule and noise, by time.

    Pictures, captions and seeds of the noise are the same for every network: of all measures the one that varies least.
    """
    schedule, (*_, top) = Schedule.of_run(config, pipeline.scales), pipeline.scales
    specs, errors = list(Vistas(WORLD_SEED).specs(0, count)), dict.fromkeys(TIMES, 0.0)
    for start in range(0, count, BATCH):
        part = specs[start : start + BATCH]
        x0 = image_pyramid(render(part, top).to(pipeline.device), pipeline.scales)
        seeds = [torch.Generator().manual_seed(start + number) for number in range(len(part))]
        eps = draw_noise(pipeline.scales, config.noise, seeds, pipeline.device)
        shared = torch.full((len(part),), float(config.noise != "independent"), device=pipeline.device)
        text = pipeline.encoder.encode([caption(spec, 0) for spec in part]).to(pipeline.device)
        for t in TIMES:
            logsnr = {size: value.float().to(pipeline.device).expand(len(part)) for size, value in schedule.logsnr(t).items()}
            z = {size: noisy(x0[size], eps[size], logsnr[size]) for size in x0}
            x0_hat = predict(pipeline.model(z, logsnr, text, shared), z)
            errors[t] += float((x0_hat[top] - x0[top]).square().mean(dim=(1, 2, 3)).sum()) / count
    return {f"error of x̂ at t = {t:g}": error for t, error in errors.items()}


def floor_measures(probe: Probe, size: int, count: int) -> dict[str, float]:
    """The same of renders of the captions' own vistas: what a perfect model would reach."""
    prompts = draw_prompts("long", count)
    return _beside_renders(render([prompt.spec for prompt in prompts], size), prompts, probe)


def _beside_renders(pictures: torch.Tensor, prompts: Sequence, probe: Probe) -> dict[str, float]:
    size, count = pictures.shape[-1], len(prompts)
    reference = render(Vistas(REFERENCE_WORLD).specs(0, count), size)
    compared, _ = compare({size: pictures}, {size: reference}, probe)
    octaves = [abs(value) for (_, name), value in compared.items() if name.startswith(SPECTRUM)]
    found = look(probe, pictures)
    return {
        "layout: sliced Wasserstein": compared["all", "layout: sliced Wasserstein"],
        "patches: sliced Wasserstein": compared[str(size), "patches: sliced Wasserstein"],
        "detail: sliced Wasserstein": compared[str(size), "detail patches: sliced Wasserstein"],
        "spectrum error (log10)": sum(octaves) / len(octaves),
        "probe Fréchet distance": compared["all", "probe features: Fréchet distance"],
        "prompt accuracy": judge(probe, prompts, found, found)["all"].drawn,
    }


# ------------------------------------------------------------------ one arm with one seed


@dataclass(frozen=True)
class Job:
    """One network of one seed, and the settings under which it is judged."""

    arm: Arm
    seed: int
    data: tuple[str, ...]
    pictures: int  # the command's budget, of which every ground has its multiple
    judged: int  # pictures drawn to judge it
    out: Path
    states: Path | None = None  # of the captions, written beforehand: the same to half precision, at a fraction of the time
    base: Path | None = None  # checkpoint of the trained base, for arms that start from it
    probe: str = ""  # digest of the probe's weights: what one probe saw is not compared with what another saw

    @property
    def training(self) -> list[str]:
        """The training command, but for where its files go. ValueError where a base is needed and there is none."""
        arm, ground = self.arm, self.arm.ground
        budget = [str(round(part * ground.pictures * self.pictures)) for part in arm.pictures]
        stages = [] if arm.stacked else ["--no-stacking"]
        if ground.on_base:
            if self.base is None:
                raise ValueError(f"The arm «{arm.name}» trains {ground.name}: name a checkpoint of the base with --base.")
            budget = ["0", *budget, "0"]  # neither the base nor a joint phase
            stages = ["--init", str(self.base), "--at-once", str(len(arm.network.levels) - 1)]
        crop = [] if "--crop" in arm.train else ["--crop", "0"]
        each = ["--batch", *[str(ground.batch)] * len(budget), "--lr", *["1e-3"] * len(budget)]
        command = [sys.executable, "-m", "layered.training", "--data", *self.data, "--pictures", *budget]
        return [*command, *each, *stages, *crop, *COMMON, *arm.train, "--seed", str(self.seed)]

    @property
    def network(self) -> Path:
        """The folder of the trained network: named by what decides it."""
        config = to_json_dict(self.arm.network)
        return self.out / "networks" / f"{_digest([self.training[2:], config])}-{self.seed}"

    @property
    def settings(self) -> SampleConfig:
        """Of the runs."""
        return dataclasses.replace(USUAL, **dict(self.arm.settings))

    @property
    def result(self) -> Path:
        """The file of its measures."""
        about = [self.network.name, to_json_dict(self.settings), self.judged, self.probe]
        return self.out / "measures" / f"{_digest(about)}-{self.seed}.json"

    def train(self) -> None:
        """Train the network, unless it is there."""
        if (self.network / TRAINED).exists():
            return
        self.network.mkdir(parents=True, exist_ok=True)
        architecture = self.network / "architecture.json"
        architecture.write_text(json.dumps(to_json_dict(self.arm.network), indent=1))
        where = ["--model", str(architecture), "--run", str(self.network / "run"), "--sheet-minutes", "0"]
        where += ["--text-states", str(self.states)] if self.states else []
        where += ["--threads", os.environ.get("OMP_NUM_THREADS", "1")]  # this process's share of the machine
        _run([*self.training, *where, "--export", str(self.network / "checkpoint")], self.network / "training.log")
        (self.network / TRAINED).touch()

    def measure(self, probe: Path) -> None:
        """Draw and measure in a process of its own, unless that was done."""
        if self.result.exists():
            return
        settings = json.dumps(to_json_dict(self.settings))
        command = [sys.executable, "-m", "layered.evaluation", "compare", "--checkpoint", str(self.network / "checkpoint")]
        command += ["--probe", str(probe), "--pictures", str(self.judged), "--seed", str(self.seed), "--settings", settings]
        _run([*command, "--out", str(self.result)], self.network / "measuring.log")

    def read(self) -> dict[str, float]:
        """Its measures."""
        return json.loads(self.result.read_text())


def _digest(about: Any) -> str:
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


def _run(command: list[str], log: Path) -> None:
    """Run a command of this project; RuntimeError with the end of its output where it fails."""
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed:\n{log.read_text(encoding='utf-8')[-2000:]}")


def compare_command(checkpoint: str, probe: Path, settings: str, count: int, seed: int, out: Path) -> None:
    """What ``python -m layered.evaluation compare`` does: the measures of one checkpoint as a JSON file."""
    pipeline = LayeredPipeline.from_pretrained(checkpoint)
    config = sample_config_from_dict(json.loads(settings))
    values = arm_measures(pipeline, load_probe(probe), config, count, seed)
    stages = pipeline.meta["training"]["stages"]
    values["GFLOP of a pass"] = measure_config(pipeline.model.config).flops() / 1e9
    values["training seconds"] = float(sum(stage["seconds"] for stage in stages))
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_suffix(".part")
    draft.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(draft, out)  # so the measures are whole, or not there


# ------------------------------------------------------------------ all of them


def run_ablations(
    names: Iterable[str],
    data: Sequence[str],
    out: Path,
    *,
    probe: Path,
    pictures: int,
    judged: int,
    seeds: int,
    jobs: int,
    states: Path | None = None,
    base: Path | None = None,
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Measures by ablation, arm and seed. Each of ``jobs`` processes has its share of the machine's threads.

    Goes on where it was stopped. ValueError for an unknown name, and where a probe or a base is missing; RuntimeError where a
    command fails.
    """
    chosen = [ablation_named(name) for name in names]
    load_probe(probe)  # says at once what is wrong with it
    eyes = hashlib.sha256((probe / WEIGHTS_FILE).read_bytes()).hexdigest()
    work = {
        (ablation.name, arm.name): [
            Job(arm, seed, tuple(data), pictures, judged, out, states, base, eyes) for seed in range(seeds)
        ]
        for ablation in chosen
        for arm in ablation.arms
    }
    everything = [job for row in work.values() for job in row]
    networks = {job.network: job for job in everything}
    results = {job.result: job for job in everything}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    os.environ |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}  # of the processes that follow
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(networks) + len(results), unit="arm") as bar:
        for _ in pool.map(Job.train, networks.values()):
            bar.update()
        for _ in pool.map(lambda job: job.measure(probe), results.values()):
            bar.update()
    return {
        ablation.name: {arm.name: [job.read() for job in work[ablation.name, arm.name]] for arm in ablation.arms}
        for ablation in chosen
    }


def ablation_named(name: str) -> Ablation:
    """One of ``ABLATIONS``; ValueError for an unknown name."""
    found = next((ablation for ablation in ABLATIONS if ablation.name == name), None)
    if found is None:
        raise ValueError(f"Unknown ablation {name!r}: choose from {', '.join(ablation.name for ablation in ABLATIONS)}.")
    return found
