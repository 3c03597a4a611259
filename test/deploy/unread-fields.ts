/** What {@link trackReads} gives: the value to hand out, and what nobody looked at. */
export interface TrackedValue {
  readonly value: unknown;
  /** Paths of fields that were never read, such as `spec.replica`. */
  readonly unread: () => string[];
}

/** Wraps a tree of plain objects and arrays so that reads of its fields are noticed. */
export function trackReads(tree: unknown): TrackedValue {
  const read = new Set<string>();
  const wrap = (value: unknown, path: string): unknown => {
    if (typeof value !== "object" || value === null) return value;
    return new Proxy(value, {
      get(target, key) {
        const field: unknown = Reflect.get(target, key);
        if (typeof key === "symbol" || !Object.hasOwn(target, key)) return field;
        read.add(`${path}.${key}`);
        return wrap(field, `${path}.${key}`);
      },
    });
  };
  const paths = (value: unknown, path: string): string[] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, field]) => [`${path}.${key}`, ...paths(field, `${path}.${key}`)]);
  return {
    value: wrap(tree, ""),
    unread: () =>
      paths(tree, "")
        .filter((path) => !read.has(path))
        .map((path) => path.slice(1)),
  };
}
