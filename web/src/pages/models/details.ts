import type { LoadedModel, Model, ModelSetting, UnloadedModel, WaitingModel } from "../../lib/api/types";
import { t } from "../../lib/i18n";
import { words as cardWords } from "../../lib/i18n/card";
import { dateTime, number } from "../../lib/i18n/format";

/** What is known of a model beside its row; `settings` are null until they have come. */
export interface Known {
  model: Model;
  loaded: LoadedModel | undefined;
  waiting: WaitingModel | undefined;
  unloaded: UnloadedModel | undefined;
  settings: Record<string, ModelSetting> | null;
  now: number;
}

type Row = readonly [name: string, value: string];

/** What the details say, in their order; what is unknown is left out. */
export function detailRows(known: Known): Row[] {
  const { model, loaded, waiting, unloaded, settings } = known;
  const stands = loaded ?? waiting ?? unloaded;
  const names = t.models.details;
  const priority = stands?.priority ?? numberOf(settings?.["priority"]);
  const rows: [string, string | null | undefined | false][] = [
    [names.id, model.id],
    [names.path, model.path],
    [names.architecture, model.model_type],
    [names.parameters, model.parameter_count !== null && number(model.parameter_count)],
    [names.quantization, model.quantization],
    [cardWords.licence.title, model.license && cardWords.licence.said(model.license, model.license_class)],
    [names.need, loaded?.need && t.memory.used(loaded.need.total_bytes)],
    [names.memory, model.memory && t.memory.used(model.memory.total_bytes)],
    [names.loadedContext, loaded?.context != null && names.tokens(loaded.context)],
    [names.keepAlive, keepAlive(known)],
    [names.leaves, model.expires_at && names.leavesIn(Date.parse(model.expires_at) - known.now)],
    [names.priority, priority !== null && number(priority)],
    [names.waits, waiting?.waits_because],
    [names.serial, loaded?.serial_because],
    [names.evicted, stands?.evicted_because && names.evictedBecause(stands.evicted_because, stands.evictions)],
    [names.lastUsed, model.last_used_at && dateTime(model.last_used_at)],
  ];
  return rows.filter((row): row is [string, string] => Boolean(row[1]));
}

/** What the last request asked for goes before what the settings say. */
function keepAlive({ loaded, settings }: Known): string | null {
  if (loaded?.keep_alive_s != null) {
    return t.models.details.keptAsAsked(t.models.details.keptFor(loaded.keep_alive_s));
  }
  const seconds = numberOf(settings?.["keep_alive_s"]);
  return seconds === null ? null : t.models.details.keptFor(seconds);
}

function numberOf(setting: ModelSetting | undefined): number | null {
  const value = setting?.value ?? setting?.default;
  return typeof value === "number" ? value : null;
}
