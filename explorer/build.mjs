// Makes GraphiQL's files, from the packages that vendor/package-lock.json pins by hash, for use
// without internet. Nothing of it is committed.
//
// Never in the way of a start: whatever fails is one line, and the page says what to do. A run that
// finds the files of these very packages does nothing.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const INSTALL_LIMIT_MS = 180_000;
const NPM = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
const PATIENCE = ["--fetch-retries=1", "--fetch-timeout=20000"];
// Monaco starts these by themselves, beside the page.
const WORKERS = {
  editor: "monaco-editor/esm/vs/editor/editor.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
};

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(here, "assets");
const sources = ["package.json", "package-lock.json", "graphiql.js"].map((name) =>
  path.join(here, "vendor", name),
);

function fingerprint() {
  const hash = createHash("sha256");
  for (const file of [...sources, fileURLToPath(import.meta.url)]) hash.update(fs.readFileSync(file));
  return hash.digest("hex");
}

function complete(from) {
  try {
    const built = JSON.parse(fs.readFileSync(path.join(target, "built.json"), "utf8"));
    return built.from === from && built.files.every((file) => fs.existsSync(path.join(target, file)));
  } catch {
    return false;
  }
}

// npm of this very Node.js where it lies beside it, as it does in a wheel.
function findNpm() {
  const beside = path.join(process.execPath, "../../lib/node_modules/npm/bin/npm-cli.js");
  return fs.existsSync(beside) ? [process.execPath, [beside]] : ["npm", []];
}

function install(scratch) {
  for (const file of sources) fs.copyFileSync(file, path.join(scratch, path.basename(file)));
  const [command, given] = findNpm();
  const { status, error, stderr } = spawnSync(command, [...given, ...NPM, ...PATIENCE], {
    cwd: scratch,
    encoding: "utf8",
    timeout: INSTALL_LIMIT_MS,
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.trim().split("\n")[0] || "npm ci failed");
}

async function bundle(scratch, made) {
  const module = path.join(scratch, "node_modules", "esbuild", "lib", "main.js");
  const esbuild = (await import(pathToFileURL(module))).default;
  const { metafile } = await esbuild.build({
    absWorkingDir: scratch,
    entryPoints: { graphiql: "graphiql.js", ...WORKERS },
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "eof",
    define: { "process.env.NODE_ENV": '"production"' },
    loader: { ".ttf": "file" },
    entryNames: "[name]-[hash]",
    chunkNames: "chunk-[hash]",
    assetNames: "[name]-[hash]",
    outdir: made,
    metafile: true,
    logLevel: "error",
  });
  return Object.fromEntries(
    Object.entries(metafile.outputs).map(([file, output]) => [
      path.basename(file),
      output.entryPoint?.replace(/^node_modules\//, ""),
    ]),
  );
}

// What the page has to know: the module to import, all styles, the workers, and every file's name.
function describe(outputs, from) {
  const files = Object.keys(outputs).sort();
  const named = (entry, ending) =>
    files.find((file) => outputs[file] === entry && file.endsWith(ending));
  const own = named("graphiql.js", ".js").replace(/-\w+\.js$/, "");
  const styles = files.filter((file) => file.endsWith(".css"));
  return {
    from,
    module: named("graphiql.js", ".js"),
    // Monaco's first: GraphiQL's override them.
    styles: styles.sort((one, other) => one.startsWith(own) - other.startsWith(own)),
    workers: Object.fromEntries(
      Object.entries(WORKERS).map(([label, entry]) => [label, named(entry, ".js")]),
    ),
    files,
  };
}

function pack(made, files) {
  for (const file of files) {
    const place = path.join(made, file);
    fs.writeFileSync(`${place}.gz`, gzipSync(fs.readFileSync(place), { level: 9 }));
  }
}

async function build(from) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "parley-explorer-"));
  // Beside its place, so that it gets there in one step.
  const made = fs.mkdtempSync(path.join(here, "assets."));
  try {
    install(scratch);
    const built = describe(await bundle(scratch, made), from);
    pack(made, built.files);
    fs.writeFileSync(path.join(made, "built.json"), JSON.stringify(built, null, 2));
    fs.chmodSync(made, 0o755);
    fs.rmSync(target, { recursive: true, force: true });
    fs.renameSync(made, target);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
    fs.rmSync(made, { recursive: true, force: true });
  }
}

try {
  const from = fingerprint();
  if (!complete(from)) {
    console.log("Making the explorer's files (once) …");
    await build(from);
  }
} catch (error) {
  console.log(`The explorer's files could not be made: ${error.message}. The next start tries again.`);
}
