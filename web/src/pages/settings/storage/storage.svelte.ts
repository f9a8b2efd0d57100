import { api, ApiError, UNREACHABLE } from "../../../lib/api/client";
import type { DiskUse, TrashEntry, TrashList } from "../../../lib/api/types";
import { t } from "../../../lib/i18n";
import { words } from "../../../lib/i18n/settings";
import { toasts } from "../../../lib/state/toasts.svelte";

/** What lies on the disks and in the trash, as it was when somebody last looked. */
class Storage {
  #disk = $state.raw<DiskUse | null>(null);
  #trash = $state.raw<TrashList | null>(null);
  #diskFailure = $state.raw<ApiError | null>(null);
  #trashFailure = $state.raw<ApiError | null>(null);
  #counting = $state(false);
  #working = $state(false);

  get disk(): DiskUse | null {
    return this.#disk;
  }

  get diskFailure(): ApiError | null {
    return this.#diskFailure;
  }

  get trash(): TrashList | null {
    return this.#trash;
  }

  get trashFailure(): ApiError | null {
    return this.#trashFailure;
  }

  get counting(): boolean {
    return this.#counting;
  }

  /** Something is being moved or deleted. */
  get working(): boolean {
    return this.#working;
  }

  async look(): Promise<void> {
    this.#counting = true;
    const [disk, trash] = await Promise.all([attempt(api.disk()), attempt(api.trash())]);
    this.#counting = false;
    this.#diskFailure = disk instanceof ApiError ? disk : null;
    this.#trashFailure = trash instanceof ApiError ? trash : null;
    if (!(disk instanceof ApiError)) this.#disk = disk;
    if (!(trash instanceof ApiError)) this.#trash = trash;
  }

  /** The toast brings it back, unless the trash keeps nothing. */
  async remove(id: string): Promise<void> {
    await this.#work(async () => {
      const { trash_id, freed_bytes } = await api.removeModel(id);
      if (trash_id === null) {
        toasts.show({ text: words.disk.deleted(id, freed_bytes) });
        return;
      }
      toasts.show({
        text: words.disk.removed(id),
        action: { label: words.trash.undo, run: () => void this.restore({ id: trash_id, model: id }) },
      });
    }, (reason) => words.disk.notRemoved(id, reason));
  }

  async restore({ id, model }: Pick<TrashEntry, "id" | "model">): Promise<void> {
    await this.#work(async () => {
      await api.restoreModel(id);
      toasts.show({ text: words.trash.restored(model) });
    }, (reason) => words.trash.notRestored(model, reason));
  }

  /** Deletes those for good, one after the other. */
  async delete(entries: readonly TrashEntry[]): Promise<void> {
    let freed = 0;
    for (const { id, model } of entries) {
      const gone = await this.#work(async () => {
        freed += (await api.deleteTrash(id)).freed_bytes;
      }, (reason) => words.trash.notDeleted(model, reason), { last: id === entries.at(-1)?.id });
      if (!gone) break;
    }
    if (freed > 0) toasts.show({ text: words.trash.freed(freed) });
  }

  /** Does `work` and looks again after the last; false where it was refused, which a toast says. */
  async #work(
    work: () => Promise<void>,
    sentence: (reason: string) => string,
    { last = true } = {},
  ): Promise<boolean> {
    this.#working = true;
    let done = true;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const reason = error.code === UNREACHABLE ? t.models.unreachable : error.message;
      toasts.fail([sentence(reason), error.hint].filter(Boolean).join(" "), error.details);
      done = false;
    } finally {
      this.#working = false;
    }
    if (last || !done) await this.look();
    return done;
  }
}

async function attempt<Answer>(asked: Promise<Answer>): Promise<Answer | ApiError> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

export const storage = new Storage();
