import type { Download } from "../../lib/api/types";

/** A waiting download that is being dragged, and the one whose place it would take; by their ids. */
export class Dragging {
  #held = $state<string | null>(null);
  #over = $state<string | null>(null);

  /** On which side of the row the dragged one would lie; null where it would not. */
  side(row: Download, waiting: readonly Download[]): "above" | "below" | null {
    if (this.#held === null || this.#over !== row.id || this.#held === row.id) return null;
    return place(waiting, this.#held) < place(waiting, row.id) ? "below" : "above";
  }

  begin(event: DragEvent, row: Download): void {
    this.#held = row.id;
    const whole = (event.target as Element).closest("li");
    event.dataTransfer?.setData("text/plain", row.model_id);
    if (whole) event.dataTransfer?.setDragImage(whole, 0, 0);
  }

  /** It may be dropped on that row if it is one of the list. */
  enter(event: DragEvent, row: Download): void {
    if (this.#held === null) return;
    event.preventDefault();
    this.#over = row.id;
  }

  /** The one that was dropped; undefined where it has gone meanwhile. */
  drop(event: DragEvent, waiting: readonly Download[]): Download | undefined {
    event.preventDefault();
    const held = this.#held;
    this.end();
    return waiting.find(({ id }) => id === held);
  }

  end(): void {
    this.#held = null;
    this.#over = null;
  }
}

function place(waiting: readonly Download[], wanted: string): number {
  return waiting.findIndex(({ id }) => id === wanted);
}
