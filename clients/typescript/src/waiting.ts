// How long to wait before the next try, so that not all clients come back at the same moment.

const FIRST_MS = 1_000;
const MOST_MS = 30_000;

/** A random time up to 1 s, doubled after each failed try, at most 30 s. */
export class Backoff {
  #tries = 0;

  constructor(readonly firstMs: number = FIRST_MS) {}

  /** Return how long to wait now; `leastMs` is what the server asked for. */
  next(leastMs: number | null = null): number {
    const most = Math.min(MOST_MS, this.firstMs * 2 ** this.#tries);
    this.#tries += 1;
    return Math.max(leastMs ?? 0, Math.random() * most);
  }

  reset(): void {
    this.#tries = 0;
  }
}

/** Wait, but no longer than until the signal is aborted; then throw its reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
