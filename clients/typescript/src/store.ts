// Where a client keeps what must survive its end: JSON values by key.

export type Rows = Record<string, unknown>;

export interface Store {
  /** Return all rows. */
  load(): Promise<Rows>;
  /** Write all these rows or, if it is interrupted, none. `null` deletes a row. They are stored when
   * it resolves: what is acknowledged after it is never lost. */
  save(rows: Rows): Promise<void>;
}

/** Rows that end with the process. */
export class MemoryStore implements Store {
  readonly #rows = new Map<string, string>();

  async load(): Promise<Rows> {
    return Object.fromEntries([...this.#rows].map(([key, text]) => [key, JSON.parse(text) as unknown]));
  }

  async save(rows: Rows): Promise<void> {
    // All texts first: if one cannot be made, no row is written.
    const texts = Object.entries(rows).map(([key, value]) => [key, JSON.stringify(value)] as const);
    for (const [key, text] of texts) {
      if (text === "null") this.#rows.delete(key);
      else this.#rows.set(key, text);
    }
  }
}

const ROWS = "rows";

/** Rows in a database of the browser. */
export class BrowserStore implements Store {
  readonly #database: Promise<IDBDatabase>;

  constructor(name = "parley") {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(ROWS);
    this.#database = result(opening);
  }

  async load(): Promise<Rows> {
    const rows = (await this.#database).transaction(ROWS).objectStore(ROWS);
    const [keys, values] = await Promise.all([result(rows.getAllKeys()), result(rows.getAll())]);
    return Object.fromEntries(keys.map((key, place) => [String(key), values[place] as unknown]));
  }

  async save(rows: Rows): Promise<void> {
    const transaction = (await this.#database).transaction(ROWS, "readwrite", { durability: "strict" });
    const stored = transaction.objectStore(ROWS);
    try {
      for (const [key, value] of Object.entries(rows)) {
        if (value === null) stored.delete(key);
        else stored.put(value, key);
      }
    } catch (error) {
      // A value that no database can hold: what was put before it must not stay.
      transaction.abort();
      throw error;
    }
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

function result<Type>(request: IDBRequest<Type>): Promise<Type> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
