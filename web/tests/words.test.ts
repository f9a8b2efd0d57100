import { describe, expect, it } from "vitest";

import { api } from "../src/lib/i18n/en/api";
import { card } from "../src/lib/i18n/en/card";
import { discover } from "../src/lib/i18n/en/discover";
import { downloads } from "../src/lib/i18n/en/downloads";
import { frame } from "../src/lib/i18n/en/frame";
import { installed } from "../src/lib/i18n/en/installed";
import { models } from "../src/lib/i18n/en/models";
import { notices } from "../src/lib/i18n/en/notices";
import { settings } from "../src/lib/i18n/en/settings";
import { welcome } from "../src/lib/i18n/en/welcome";
import { api as germanApi } from "../src/lib/i18n/de/api";
import { card as germanCard } from "../src/lib/i18n/de/card";
import { discover as germanDiscover } from "../src/lib/i18n/de/discover";
import { downloads as germanDownloads } from "../src/lib/i18n/de/downloads";
import { frame as germanFrame } from "../src/lib/i18n/de/frame";
import { installed as germanInstalled } from "../src/lib/i18n/de/installed";
import { models as germanModels } from "../src/lib/i18n/de/models";
import { notices as germanNotices } from "../src/lib/i18n/de/notices";
import { settings as germanSettings } from "../src/lib/i18n/de/settings";
import { welcome as germanWelcome } from "../src/lib/i18n/de/welcome";
import { monitor } from "../src/lib/i18n/en/monitor";
import { monitor as germanMonitor } from "../src/lib/i18n/de/monitor";
import { model } from "../src/lib/i18n/en/model";
import { model as germanModel } from "../src/lib/i18n/de/model";
import { modelSettings } from "../src/lib/i18n/en/model-settings";
import { modelSettings as germanModelSettings } from "../src/lib/i18n/de/model-settings";
import { marked } from "../src/lib/i18n/pseudo";

const ENGLISH = { model, modelSettings, monitor, api, card, discover, downloads, frame, installed, models, notices, settings, welcome };
const GERMAN = {
  model: germanModel,
  modelSettings: germanModelSettings,
  monitor: germanMonitor,
  api: germanApi,
  card: germanCard,
  discover: germanDiscover,
  downloads: germanDownloads,
  frame: germanFrame,
  installed: germanInstalled,
  models: germanModels,
  notices: germanNotices,
  settings: germanSettings,
  welcome: germanWelcome,
};

/** The keys of all words, in their order, with how many values each of them takes. */
function shape(words: unknown, path = ""): string[] {
  if (typeof words === "function") return [`${path}(${words.length})`];
  if (words === null || typeof words !== "object") return [path];
  return Object.entries(words).flatMap(([name, value]) => shape(value, `${path}.${name}`));
}

describe("the German words", () => {
  it("are there for all that is said in English, and nothing else", () => {
    // A word that takes fewer values than it is given says the same of different things.
    expect(shape(GERMAN)).toEqual(shape(ENGLISH));
  });
});

describe("the marked words", () => {
  it("stand wherever words stand, also those that come of values", () => {
    const words = marked(ENGLISH);
    expect(words.frame.action.cancel).toBe("Cåñçéļ~~");
    expect(words.models.state.answering(3)).toMatch(/^Åñšwéřîñg 3~+$/);
    expect(shape(words).length).toBe(shape(ENGLISH).length);
  });
});
