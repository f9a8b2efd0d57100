export interface ToastAction {
  label: string;
  run(): void;
}

export interface Toast {
  id: number;
  tone: "neutral" | "danger";
  text: string;
  action?: ToastAction;
  /** For reports: what "Copy details" copies. */
  details?: string;
  /** It stands in the list of notices by itself. */
  told?: boolean;
  /** Called when it is gone without its action having been wanted. */
  onend?: () => void;
}

/** What a toast said, for whoever comes later. */
export interface PastToast {
  id: number;
  at: number;
  tone: Toast["tone"];
  text: string;
  details: string;
}

const MOST = 3;
const MOST_PAST = 30;
const PLAIN_MS = 6_000;
const WITH_ACTION_MS = 10_000;

/** Errors stay until dismissed; the others go by themselves unless something holds them. */
class Toasts {
  #list = $state.raw<readonly Toast[]>([]);
  #past = $state.raw<readonly PastToast[]>([]);
  #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #nextId = 0;

  get list(): readonly Toast[] {
    return this.#list;
  }

  /** What toasts of this visit said, the oldest first. */
  get past(): readonly PastToast[] {
    return this.#past;
  }

  /** Forgets what this one said; without an id what all of them did. */
  forget(id?: number): void {
    this.#past = id === undefined ? [] : this.#past.filter((past) => past.id !== id);
  }

  show(toast: Omit<Toast, "id" | "tone">): void {
    this.#add({ ...toast, id: this.#nextId++, tone: "neutral" });
  }

  fail(text: string, details: string): void {
    this.#add({ id: this.#nextId++, tone: "danger", text, details });
  }

  dismiss(id: number): void {
    this.#take(id)?.onend?.();
  }

  /** Does what the toast offers. */
  act(id: number): void {
    this.#take(id)?.action?.run();
  }

  /** While somebody points at them or has the focus in them. */
  hold(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  release(): void {
    this.#list.forEach((toast) => this.#startTimer(toast));
  }

  #take(id: number): Toast | undefined {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    const taken = this.#list.find((toast) => toast.id === id);
    this.#list = this.#list.filter((toast) => toast.id !== id);
    return taken;
  }

  #add(toast: Toast): void {
    for (const { id } of this.#list.slice(0, Math.max(0, this.#list.length - MOST + 1))) {
      this.dismiss(id);
    }
    this.#list = [...this.#list, toast];
    if (!toast.told) {
      const { id, tone, text, details = "" } = toast;
      this.#past = [...this.#past, { id, at: Date.now(), tone, text, details }].slice(-MOST_PAST);
    }
    this.#startTimer(toast);
  }

  #startTimer(toast: Toast): void {
    if (toast.tone === "danger") return;
    const delay = toast.action ? WITH_ACTION_MS : PLAIN_MS;
    clearTimeout(this.#timers.get(toast.id));
    this.#timers.set(
      toast.id,
      setTimeout(() => this.dismiss(toast.id), delay),
    );
  }
}

export const toasts = new Toasts();
