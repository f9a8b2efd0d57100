import { keep, kept } from "./storage";

export type Theme = "light" | "dark";

const THEME_KEY = "mlx-gui:theme";
const LETTERS_KEY = "mlx-gui:single-letters";
const darkPreferred = matchMedia("(prefers-color-scheme: dark)");

/** What this browser remembers. `public/theme.js` reads the theme before the first paint. */
class Preferences {
  #chosenTheme = $state(themeOf(kept("localStorage", THEME_KEY)));
  #systemTheme = $state<Theme>(darkPreferred.matches ? "dark" : "light");
  #singleLetters = $state(kept("localStorage", LETTERS_KEY) !== "off");

  constructor() {
    darkPreferred.onchange = ({ matches }) => (this.#systemTheme = matches ? "dark" : "light");
    // Another tab chose.
    addEventListener("storage", ({ key, newValue }) => {
      if (key === THEME_KEY) this.#applyTheme(themeOf(newValue));
      if (key === LETTERS_KEY) this.#singleLetters = newValue !== "off";
    });
  }

  get theme(): Theme {
    return this.#chosenTheme ?? this.#systemTheme;
  }

  /** The theme that somebody has chosen; null is that of the system. */
  get chosenTheme(): Theme | null {
    return this.#chosenTheme;
  }

  get singleLetters(): boolean {
    return this.#singleLetters;
  }

  set singleLetters(on: boolean) {
    this.#singleLetters = on;
    keep("localStorage", LETTERS_KEY, on ? "on" : "off");
  }

  chooseTheme(theme: Theme | null): void {
    keep("localStorage", THEME_KEY, theme);
    this.#applyTheme(theme);
  }

  switchTheme(): void {
    this.chooseTheme(this.theme === "dark" ? "light" : "dark");
  }

  #applyTheme(theme: Theme | null): void {
    this.#chosenTheme = theme;
    if (theme) document.documentElement.dataset["theme"] = theme;
    else delete document.documentElement.dataset["theme"];
  }
}

function themeOf(text: string | null): Theme | null {
  return text === "light" || text === "dark" ? text : null;
}

export const preferences = new Preferences();
