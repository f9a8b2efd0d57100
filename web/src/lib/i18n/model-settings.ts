import { modelSettings } from "./en/model-settings";
import { spoken } from "./spoken";

interface Words {
  label: string;
  help: string;
  choices: Readonly<Record<string, string>>;
}

const words: Readonly<Record<string, Partial<Words>>> = await spoken(
  modelSettings,
  async () => (await import("./de/model-settings")).modelSettings,
);

/** How a setting of a model is told of; of one that this page does not know, as the server does. */
export function settingWords(name: string, help: string): Words {
  return { label: name, help, choices: {}, ...words[name] };
}
