// Fetches GraphiQL's files, exactly those that assets.json pins by hash, for use without internet.
//
// Never in the way of a start: whatever fails is one line, and the page then loads the same files
// from the address in assets.json. A run that finds everything in place does nothing.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT_MS = 30_000;
const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(here, "assets");
const { cdn, packages } = JSON.parse(fs.readFileSync(path.join(here, "assets.json"), "utf8"));

function verify(file, bytes, expected) {
  const algorithm = expected.slice(0, expected.indexOf("-"));
  const actual = `${algorithm}-${createHash(algorithm).update(bytes).digest("base64")}`;
  if (actual !== expected) throw new Error(`${file} is not the file that assets.json names`);
}

function run(command, args, cwd) {
  const { status, error, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    timeout: LIMIT_MS,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.trim().split("\n")[0] || `${command} failed`);
}

// Where a package's files lie, below assets/ and below the public address alike.
const folder = ({ name, version }) => `${name}@${version}`;

function complete() {
  return packages.every((wanted) =>
    Object.entries(wanted.files).every(([file, expected]) => {
      const place = path.join(target, folder(wanted), file);
      if (!fs.existsSync(place) || !fs.existsSync(`${place}.gz`)) return false;
      verify(file, fs.readFileSync(place), expected);
      return true;
    }),
  );
}

function unpack(wanted, archive, scratch, made) {
  verify(wanted.name, fs.readFileSync(archive), wanted.integrity);
  const unpacked = fs.mkdtempSync(path.join(scratch, "package-"));
  const files = Object.keys(wanted.files);
  run("tar", ["-xzf", archive, "-C", unpacked, ...files.map((file) => `package/${file}`)]);
  for (const file of files) {
    const bytes = fs.readFileSync(path.join(unpacked, "package", file));
    verify(file, bytes, wanted.files[file]);
    const place = path.join(made, folder(wanted), file);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.writeFileSync(place, bytes);
    fs.writeFileSync(`${place}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

function build() {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "parley-explorer-"));
  // Beside its place, so that it gets there in one step.
  const made = fs.mkdtempSync(path.join(here, "assets."));
  try {
    const names = packages.map(folder);
    run("npm", ["pack", "--ignore-scripts", "--fetch-retries=0", "--silent", ...names], scratch);
    for (const wanted of packages) {
      const archive = `${folder(wanted).replace(/^@/, "").replace(/[/@]/g, "-")}.tgz`;
      unpack(wanted, path.join(scratch, archive), scratch, made);
    }
    fs.chmodSync(made, 0o755);
    fs.rmSync(target, { recursive: true, force: true });
    fs.renameSync(made, target);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
    fs.rmSync(made, { recursive: true, force: true });
  }
}

try {
  let ready = false;
  try {
    ready = complete();
  } catch {
    // A file that was changed: all are made anew.
  }
  if (!ready) {
    console.log("Fetching the explorer's files (once) …");
    build();
  }
} catch (error) {
  console.log(`The explorer will load its files from ${cdn}: ${error.message}.`);
}
