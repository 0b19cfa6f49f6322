// Runs side by side, each with its own recipe, from the same pictures: every round gives each of them one evaluation.

import { Run } from "./run.js";

export class Race {
  // As Run, with a list of recipes, and a list of pictures to go on from or null.
  constructor(tf, settings, weights, pictures, recipes, from = null) {
    this.runs = recipes.map((recipe, i) => new Run(tf, settings, weights, pictures, recipe, from?.[i]));
    this.reasons = recipes.map(() => null); // why a run has given up
  }

  get shown() {
    return this.runs.map((run) => run.picture);
  }

  get finished() {
    return this.runs.every((run, i) => run.finished || this.reasons[i]);
  }

  // One round: {states}, null for a run that takes no further part, and {reasons}.
  async next() {
    const states = [];
    for (const [i, run] of this.runs.entries()) {
      states.push(run.finished || this.reasons[i] ? null : await run.next().catch((error) => this.givesUp(i, error)));
    }
    return { states, reasons: [...this.reasons] };
  }

  // One that diverges leaves the race; anything else concerns them all.
  givesUp(i, error) {
    if (!error.diverged) throw error;
    this.reasons[i] = error.message;
    return null;
  }

  // Only the runs whose recipe is another one are disturbed; after the end, all go on.
  change(recipes) {
    const over = this.finished;
    for (const [i, run] of this.runs.entries()) {
      if (JSON.stringify(run.recipe) === JSON.stringify(recipes[i])) continue;
      run.change(recipes[i]);
      this.reasons[i] = null;
    }
    if (over) this.resume();
  }

  resume() {
    for (const run of this.runs) if (run.finished) run.resume();
  }

  dispose() {
    for (const run of this.runs) run.dispose();
  }
}
