// Adds to package-lock.json the platform packages that a registry mirror did not offer when it was written.
//
// npm leaves an optional package out of the lock when the registry at hand does not know it, and `npm ci` then refuses the
// lock everywhere. The parent names each such package with its exact version, and the package's own name tells its
// platform, so the entry can be written without it. It has no integrity until npm fills it in on that platform.
import { readFileSync, writeFileSync } from "node:fs";

interface LockedPackage {
  version?: string;
  dev?: boolean;
  license?: string;
  optional?: boolean;
  cpu?: string[];
  os?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lockfile {
  packages: Record<string, LockedPackage>;
}

const operatingSystems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors: Record<string, string> = {
  aarch64: "arm64",
  arm: "arm",
  arm64: "arm64",
  armv7: "arm",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  x64: "x64",
};

/** What a package such as `@oxlint/binding-linux-x64-musl` says about its platform in its name. */
function platformOf(name: string): { cpu: string[]; os: string[]; libc?: string[] } {
  const words = name.split(/[/-]/);
  const os = words.find((word) => operatingSystems.includes(word));
  const cpu = words.map((word) => processors[word]).find((word) => word !== undefined);
  if (os === undefined || cpu === undefined) throw new Error(`cannot tell the platform of ${name}`);
  const libc = words.some((word) => word.startsWith("musl"))
    ? "musl"
    : words.some((word) => word.startsWith("gnu"))
      ? "glibc"
      : undefined;
  return { cpu: [cpu], os: [os], ...(libc === undefined ? {} : { libc: [libc] }) };
}

/** Whether the lock has an entry of `name` where npm puts it for the package at `location`. */
function isLocked(lock: Lockfile, location: string, name: string): boolean {
  const places = [`node_modules/${name}`, `${location}/node_modules/${name}`];
  return places.some((place) => lock.packages[place] !== undefined);
}

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8")) as Lockfile;
const added: string[] = [];
for (const [location, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (isLocked(lock, location, name)) continue;
    const { cpu, os, libc } = platformOf(name);
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu,
      ...(parent.dev === true ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc }),
      ...(parent.license === undefined ? {} : { license: parent.license }),
      optional: true,
      os,
    };
    added.push(`${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
for (const name of added) process.stdout.write(`added ${name}\n`);
