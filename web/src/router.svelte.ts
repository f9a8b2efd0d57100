const BASE = "/admin";

/** The page that is shown where none is asked for. */
export const HOME = "/models";
/** The page that is shown instead where no model is installed. */
export const WELCOME = "/welcome";

/** The address bar as state: `path` below `/admin`, and the query that filters and tabs live in. */
class Router {
  #path = $state(currentPath());
  #query = $state.raw(new URLSearchParams(location.search));
  #scrolled = new Map<string, number>();
  #arrival: number | null = null;

  get path(): string {
    return this.#path;
  }

  parameter(name: string): string {
    return this.#query.get(name) ?? "";
  }

  /** Changes the query in place; the empty text removes the name. */
  setParameter(name: string, value: string): void {
    const query = new URLSearchParams(this.#query);
    if (value) query.set(name, value);
    else query.delete(name);
    const search = query.size ? `?${query}` : "";
    history.replaceState(history.state, "", BASE + this.#path + search);
    this.#query = query;
  }

  go(path: string): void {
    this.#remember();
    history.pushState(null, "", BASE + path);
    this.#show(0);
  }

  /** Another address for what was asked for: nobody navigated. */
  redirect(path: string): void {
    history.replaceState(null, "", BASE + path);
    this.#path = path;
  }

  start(): void {
    history.scrollRestoration = "manual";
    addEventListener("popstate", () => {
      this.#remember();
      this.#show(this.#scrolled.get(currentPath()) ?? 0);
    });
    document.addEventListener("click", (event) => this.#followLink(event));
  }

  /** Where the page that was navigated to is to be scrolled; once, then null. */
  takeArrival(): number | null {
    const scrollTop = this.#arrival;
    this.#arrival = null;
    return scrollTop;
  }

  #show(scrollTop: number): void {
    if (this.#path !== currentPath()) this.#arrival = scrollTop;
    this.#path = currentPath();
    this.#query = new URLSearchParams(location.search);
  }

  #remember(): void {
    this.#scrolled.set(this.#path, scrollY);
  }

  #followLink(event: MouseEvent): void {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!plain || !link || link.target || event.defaultPrevented) return;
    if (link.origin !== location.origin || !link.pathname.startsWith(`${BASE}/`)) return;
    event.preventDefault();
    this.go(link.pathname.slice(BASE.length) + link.search);
  }
}

function currentPath(): string {
  return location.pathname.slice(BASE.length) || "/";
}

export const router = new Router();

/** The address of a page for `href`. */
export function href(path: string): string {
  return BASE + path;
}

/** The id of a model as part of a path: its slashes stay slashes. */
export function encoded(id: string): string {
  return id.split("/").map(encodeURIComponent).join("/");
}

/** What stands behind a page's own path, as an id of a model; empty where nothing does. */
export function namedBelow(path: string): string {
  const rest = path.split("/").slice(2).join("/");
  try {
    return decodeURIComponent(rest);
  } catch {
    // An address that somebody has typed may be no encoding of anything.
    return rest;
  }
}
