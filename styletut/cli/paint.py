"""The command that paints: pictures are read, the work is estimated and done, batch by batch."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine import signals
from ..errors import DivergenceError, ImageError, LayerError, RecipeError
from .exits import INCOMPLETE, INTERRUPTED, is_out_of_memory, reason
from .files import Picture, check_exists
from .parser import painting_parser
from .plan import Job, Plan, make_plan
from .printing import complain, print_result, report, say
from .recipe import begin_from, protected, recipe_from
from .save import Target, finish

if TYPE_CHECKING:
    from torch import Tensor

    from ..recipes import Recipe

LONG_RUN = 2_000_000
"""Pixels times evaluations from which a run is worth an estimate: some ten seconds on two cores."""


def paint_command(argv: list[str]) -> int:
    """The command ``styletut``, where its first word is none of the other commands."""
    args, contents, styles = _parse(argv)
    from .. import transfer
    from ..lowmem import distributed

    recipe = recipe_from(args)
    if args.snapshots is not None and not recipe.snapshot_every:
        raise RecipeError(f"recipe {recipe.name!r} keeps no snapshots by itself: add --snapshot-every N")
    transfer.pick_device(args.device or "auto")
    plan = make_plan(args, contents, styles)
    if not plan.jobs and not args.quiet:
        say("styletut: nothing to paint: every output exists already")
    if distributed.launched() == (0, 1):
        return Painter(plan, plan.jobs, recipe, args).paint()
    with distributed.processes(args.device or "auto") as (rank, workers):
        distributed.barrier()  # until every process has seen which outputs exist
        args.shared = len(plan.jobs) == 1
        args.quiet = args.quiet or (args.shared and rank > 0)
        return Painter(plan, plan.jobs if args.shared else plan.jobs[rank::workers], recipe, args).paint()


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str], list[str]]:
    """The options, the contents and the styles, as far as they can be understood without torch."""
    parser = painting_parser(describe=not {"-h", "--help"}.isdisjoint(argv))
    args = parser.parse(argv)
    contents, styles = args.pictures, args.style
    if not styles:
        contents, styles = contents[:-1], contents[-1:]
    if not contents or not styles:
        parser.error("name a photograph and a painting, as in: styletut photo.jpg painting.jpg -o out.png")
    if args.snapshot_every is not None and args.snapshots is None:
        parser.error("--snapshot-every needs a folder to keep the pictures in: --snapshots DIR")
    if args.refine is not None and args.start is not None:
        parser.error("--refine is a start: give --start or --refine, not both")
    for name in (*contents, *styles, *args.mask, *filter(None, [args.protect, args.refine])):
        check_exists(name)
    return args, contents, styles


@dataclass(frozen=True, eq=False)
class Loaded:
    """A job and its content picture at its working size."""

    job: Job
    content: Tensor
    alpha: Tensor | None


class Painter:
    """Paints jobs, and remembers which of them failed.

    Args:
        plan: what was asked for.
        jobs: those of its jobs that are painted here.
    """

    def __init__(self, plan: Plan, jobs: list[Job], recipe: Recipe, args: argparse.Namespace) -> None:
        self.jobs, self.several, self.inputs = jobs, plan.several, plan.inputs
        self.recipe, self.args = recipe, args
        self.max_memory = _bytes(args.max_memory)
        # Each once, and before any work.
        self.styles = {style: style.load(self.max_memory) for job in jobs for style in job.styles}
        self.begin = begin_from(args, recipe, self.max_memory) if jobs else {}
        self.masks = self._read_masks() if jobs else {}
        self.failures: list[str] = []  # messages only: an exception would keep its pictures in memory
        self.written = 0

    def paint(self) -> int:
        """Paint all that is to be painted, and give the exit code."""
        args, code, caught = self.args, 0, signals.current()
        estimated = args.quiet and not args.dry_run
        for batch in self._batches():
            try:
                if not estimated:
                    self._estimate(batch)
                    estimated = True
                if args.dry_run:
                    break
                code = max(code, self._paint(batch))
            except Exception as error:
                self._fail([one.job for one in batch], error)
                continue
            if code == INTERRUPTED:
                break
            self.written += len(batch)
            if caught.asked:  # while a finished picture was being saved
                code = INTERRUPTED if self.written < len(self.jobs) else code
                break
        if self.several and not args.quiet and not args.dry_run:
            report(f"wrote {self.written} of {len(self.jobs)} pictures")
        for failure in self.failures:
            complain(failure)
        return max(code, INCOMPLETE if self.failures else 0)

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        """Remember the error of one of several pictures; raise an error that all of them would have."""
        of_the_picture = isinstance(error, (ImageError, LayerError, DivergenceError)) or is_out_of_memory(error)
        if not self.several or not of_the_picture:
            raise error
        text = reason(error)
        self.failures.extend(text if job.content.name in text else f"{job.content.name}: {text}" for job in jobs)

    def _batches(self) -> Iterator[list[Loaded]]:
        """Jobs with their contents read: one by one, or as many of one size as the recipe allows at once."""
        batch: list[Loaded] = []
        for job in self.jobs:
            try:
                loaded = self._load(job)
            except Exception as error:
                self._fail([job], error)
                continue
            if batch and (len(batch) == self.recipe.batch or batch[0].content.shape != loaded.content.shape):
                yield batch
                batch = []
            batch.append(loaded)
        if batch:
            yield batch

    def _load(self, job: Job) -> Loaded:
        from .. import images

        # What cannot hold transparency is painted as it will be seen.
        opaque = self.args.flatten or job.output.path.suffix.lower() in (".jpg", ".jpeg")
        content, alpha = job.content.load_for(self.recipe, flatten=opaque, max_memory=self.max_memory)
        images.check_savable(job.output.path, (content.shape[-2], content.shape[-1]), bits=self.args.bits)
        return Loaded(job, content, alpha)

    def _read_masks(self) -> dict[str, Any]:
        """The masks that the options name, as `transfer.iterate` takes them."""
        regions = {"masks": [Picture(name).mask() for name in self.args.mask]} if self.args.mask else {}
        return regions | protected(self.args.protect)

    def _styles_of(self, batch: list[Loaded]) -> list[Tensor]:
        """Styles that are blended or have regions are the same for every content; others come in pairs with theirs."""
        blended = self.args.style_weights is not None or self.args.mask
        return [self.styles[s] for s in (batch[0].job.styles if blended else [one.job.styles[0] for one in batch])]

    def _estimate(self, batch: list[Loaded]) -> None:
        """Say what is to come, if it takes long enough to be worth the asking."""
        from .. import transfer

        args, recipe, pictures = self.args, self.recipe, len(self.jobs)
        content = [one.content for one in batch]
        pixels = len(batch) * content[0].shape[-2] * content[0].shape[-1]
        if not args.dry_run and pixels * recipe.steps * recipe.evaluations * pictures < LONG_RUN:
            return
        where = {"device": args.device or "auto", "max_memory": args.max_memory, "tile": args.tile}
        cost = transfer.estimate(content, self._styles_of(batch), recipe, **self.begin, **where, **self.masks)
        text = str(cost) if pictures == 1 else f"{pictures} pictures, {len(batch)} at a time, each time {cost}"
        print_result(text) if args.dry_run else say(text)

    def _paint(self, batch: list[Loaded]) -> int:
        """Paint a batch, save the pictures, and give the exit code."""
        from .. import transfer

        jobs = [one.job for one in batch]
        if self.several and not self.args.quiet:
            pairs = (f"{job.content.name} in the style of {' + '.join(s.name for s in job.styles)}" for job in jobs)
            say(", ".join(pairs))
        stylize = functools.partial(
            transfer.stylize,
            [one.content for one in batch],
            self._styles_of(batch),
            self.recipe,
            **self.begin,
            style_weights=self.args.style_weights,
            checkpoint=self.args.checkpoint,
            **self.masks,
        )
        targets = [Target(one.job.output, one.job.snapshots, one.alpha) for one in batch]
        return finish(stylize, targets, self.inputs, self.args)


def _bytes(max_memory: str | None) -> int | None:
    """What --max-memory allows."""
    from ..engine import memory

    return None if max_memory is None else memory.parse(max_memory)
