/** What a server wants of whoever asks from another machine. It is kept in this page and nowhere else. */
let key: string | null = null;

export const UNAUTHENTICATED = 401;

/** From now on the server is asked with that key. */
export function takeKey(given: string): void {
  key = given;
}

export function takenKey(): string | null {
  return key;
}

/** `headers`, and the key where there is one. */
export function withKey(headers: Record<string, string>): Record<string, string> {
  return key === null ? headers : { ...headers, authorization: `Bearer ${key}` };
}
