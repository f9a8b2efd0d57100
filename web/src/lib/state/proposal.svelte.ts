import { HOME, router } from "../../router.svelte";
import { api } from "../api/client";
import type { LoadPlan } from "../api/types";
import { live } from "./live.svelte";

/** A load plan that waits for a person's yes. */
export interface Proposal {
  modelId: string;
  plan: LoadPlan;
  /** What was asked for, in tokens; null is what the settings say. */
  context: number | null;
  /** The memory moved since the person looked last. */
  changed: boolean;
  /** The plan is one of this run of the server. */
  bootId: string | null;
}

/** A slider that is being dragged is waited for. */
const SETTLED_MS = 150;

/** The one proposal that the page shows, and the context that it is made for. */
class Proposals {
  #shown = $state.raw<Proposal | null>(null);
  #wanted = $state<number | null>(null);
  #due: ReturnType<typeof setTimeout> | undefined;
  #opener: Element | null = null;

  /** Null also when its model is no longer one that waits to be loaded, or the server has restarted. */
  get shown(): Proposal | null {
    const { modelId, bootId } = this.#shown ?? {};
    const model = live.models?.find(({ id }) => id === modelId);
    const waits = model?.state === "not_loaded" || model?.state === "failed";
    return waits && bootId === live.bootId ? this.#shown : null;
  }

  /** The context of the slider, in tokens, while the plan for it is not there yet. */
  get wanted(): number | null {
    return this.#wanted;
  }

  /** Shows a plan that somebody asked for at `opener`. */
  show(modelId: string, plan: LoadPlan, opener: Element | null): void {
    this.#opener = opener;
    this.#open({ modelId, plan, context: null, changed: false });
  }

  /** Shows what holds now in place of the plan that was agreed to. */
  showChanged(modelId: string, plan: LoadPlan, context: number | null): void {
    this.#open({ modelId, plan, context, changed: true });
  }

  /** Takes it away; the focus goes back to where the load was asked for. */
  close(): void {
    this.#forget();
    this.#put(null);
    if (this.#opener instanceof HTMLElement && this.#opener.isConnected) this.#opener.focus();
  }

  /** Plans anew for that context, once it has not changed for a moment. */
  want(context: number, failed: (error: unknown) => void): void {
    clearTimeout(this.#due);
    this.#wanted = context;
    this.#due = setTimeout(() => void this.#replan(context).catch(failed), SETTLED_MS);
  }

  /** Plans anew for the same context, because something else has changed. */
  async again(): Promise<void> {
    await this.#replan(this.#shown?.context ?? null);
  }

  #open(proposal: Omit<Proposal, "bootId">): void {
    this.#forget();
    this.#put({ ...proposal, bootId: live.bootId });
    if (router.path !== HOME) router.go(HOME);
  }

  async #replan(context: number | null): Promise<void> {
    const before = this.#shown;
    if (before === null) return;
    try {
      const plan = await api.plan(before.modelId, context);
      // Meanwhile it may have been closed, or another context be wanted.
      if (this.#shown !== before || (this.#wanted ?? context) !== context) return;
      this.#put({ ...before, plan, context, changed: false });
    } finally {
      if (this.#wanted === context) this.#wanted = null;
    }
  }

  #forget(): void {
    clearTimeout(this.#due);
    this.#wanted = null;
  }

  #put(proposal: Proposal | null): void {
    this.#shown = proposal;
    live.expect(proposal?.modelId ?? null);
  }
}

export const proposals = new Proposals();
