import type { ServerSetting } from "../../lib/api/types";
import type { Written } from "../../lib/measure";
import { parsed, wanted } from "./field-text";

/** A change that is not applied yet. `written` is null where it goes back to the default. */
export interface Draft {
  readonly written: Written | null;
  /** What the setting was when the change was begun, as JSON. */
  readonly base: string;
  readonly secret: boolean;
}

/** What a draft has the server take: null resets, and nothing is what cannot be read. */
export function valueOf(setting: ServerSetting, { written }: Draft): unknown {
  if (written === null) return null;
  const value = parsed(setting, written);
  return "value" in value ? value.value : undefined;
}

/** What is wrong with what is written, as far as that is known without the server. */
export function wrongWith(setting: ServerSetting, { written }: Draft): string | undefined {
  const value = written === null ? null : parsed(setting, written);
  return value && "wrong" in value ? value.wrong : undefined;
}

/** Whether somebody else has changed the setting since the draft was begun. */
export function overtaken(setting: ServerSetting, draft: Draft): boolean {
  return !setting.secret && draft.base !== now(setting);
}

/** What the setting is to be, as JSON. */
export function now(setting: ServerSetting): string {
  return JSON.stringify(wanted(setting));
}
