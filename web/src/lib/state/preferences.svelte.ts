type Theme = "light" | "dark";

const THEME_KEY = "mlx-gui:theme";
const LETTERS_KEY = "mlx-gui:single-letters";
const darkPreferred = matchMedia("(prefers-color-scheme: dark)");

/** What this browser remembers. `public/theme.js` reads the theme before the first paint. */
class Preferences {
  #chosenTheme = $state(localStorage.getItem(THEME_KEY) as Theme | null);
  #systemTheme = $state<Theme>(darkPreferred.matches ? "dark" : "light");
  #singleLetters = $state(localStorage.getItem(LETTERS_KEY) !== "off");

  constructor() {
    darkPreferred.onchange = ({ matches }) => (this.#systemTheme = matches ? "dark" : "light");
    // Another tab chose.
    addEventListener("storage", ({ key, newValue }) => {
      if (key === THEME_KEY) this.#applyTheme(newValue as Theme | null);
    });
  }

  get theme(): Theme {
    return this.#chosenTheme ?? this.#systemTheme;
  }

  get singleLetters(): boolean {
    return this.#singleLetters;
  }

  set singleLetters(on: boolean) {
    this.#singleLetters = on;
    localStorage.setItem(LETTERS_KEY, on ? "on" : "off");
  }

  switchTheme(): void {
    const theme = this.theme === "dark" ? "light" : "dark";
    localStorage.setItem(THEME_KEY, theme);
    this.#applyTheme(theme);
  }

  #applyTheme(theme: Theme | null): void {
    this.#chosenTheme = theme;
    if (theme) document.documentElement.dataset["theme"] = theme;
    else delete document.documentElement.dataset["theme"];
  }
}

export const preferences = new Preferences();
