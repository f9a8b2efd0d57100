import type { ServerSetting } from "../../lib/api/types";
import { words } from "../../lib/i18n/settings";

/** Why the setting cannot be changed here; the empty text where it can. */
export function lockedBecause(name: string, { changeable, source }: ServerSetting): string {
  if (changeable) return "";
  const variable = `MLX_GUI_${name.toUpperCase()}`;
  const flag = `--${name.replaceAll("_", "-")}`;
  if (source === "environment") return words.locked.environment(variable);
  return source === "command line" ? words.locked.flag(flag) : words.locked.place(flag, variable);
}
