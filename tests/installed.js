// The package as its users have it: packed, and installed into an empty project.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const run = promisify(execFile);
export const root = fileURLToPath(new URL("../", import.meta.url));

/** Packs it, and installs the tarball. What npm knows of what that depends on is in its cache, or is asked for. */
export async function installPackage() {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-package-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: join(root, "pkg"),
  });
  const packed = JSON.parse(stdout);
  /** @type {{ filename: string, files: { path: string }[] }[]} */
  const [{ filename, files }] = Array.isArray(packed) ? packed : Object.values(packed);
  const tarball = join(folder, filename);
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", tarball], { cwd: folder });
  return {
    /** The project's. */
    folder,
    tarball,
    /** What the tarball holds. */
    files: files.map(({ path }) => path).sort(),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
