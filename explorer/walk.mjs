// Walks through the explorer of a running server as two people do, in Chromium, and says how long
// each step took since the page was asked for. `make walk`, beside `make serve`.
//
// node explorer/walk.mjs http://127.0.0.1:8000 FOLDER_FOR_SCREENSHOTS
//
// Ends with 1 where something does not come, where a script fails, or where the page's
// Content-Security-Policy blocks something.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [base, shots] = process.argv.slice(2);
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ARGUMENTS = ["--disable-gpu", "--disable-background-networking", "--no-first-run"];
const PATIENCE_MS = 30_000;
const STEPS = 19;
const here = path.dirname(fileURLToPath(import.meta.url));
const faults = [];
let began = 0;

async function loadPlaywright(scratch) {
  for (const file of ["package.json", "package-lock.json"]) {
    fs.copyFileSync(path.join(here, "walk", file), path.join(scratch, file));
  }
  const npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", npm, { cwd: scratch, stdio: "inherit" });
  if (status !== 0) throw new Error("npm ci failed");
  const entry = path.join(scratch, "node_modules", "playwright-core", "index.mjs");
  return (await import(pathToFileURL(entry))).chromium;
}

function tell(what) {
  console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  ${what}`);
}

function watch(page) {
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    // Whoever asks without a token gets 401, which Chromium reports as well.
    const expected = message.text().includes("status of 401");
    if (message.type() === "error" && !expected) faults.push(message.text());
  });
}

// What the pane of the answer holds: the editor itself shows only the lines that fit.
const answer = (page) =>
  page.evaluate(() => {
    const models = globalThis.__MONACO.editor.getModels();
    return models.find((model) => model.uri.path.includes("response"))?.getValue() ?? "";
  });

async function awaitAnswer(page, wanted) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const text = await answer(page);
    if (text.includes(wanted)) return text;
    if (Date.now() > end) throw new Error(`waited for ${wanted}; the pane has: ${text}`);
    await page.waitForTimeout(50);
  }
}

// Open the tab with this number and run it.
async function run(page, step, wanted) {
  await page.locator(`[data-step="${step}"] button`).first().click();
  await page.waitForFunction(
    (number) => document.querySelector(".graphiql-tab-active")?.dataset.step === String(number),
    step,
  );
  await page.locator(".graphiql-execute-button").click();
  return awaitAnswer(page, wanted);
}

async function open(page) {
  await page.waitForSelector(`[data-step="${STEPS}"]`, { timeout: PATIENCE_MS });
}

const signedIn = (page, name) =>
  page.waitForFunction((who) => document.getElementById("viewer").textContent.startsWith(who), name);

async function meet(context) {
  const alice = await context.newPage();
  began = Date.now();
  await alice.goto(`${base}/graphql`);
  await open(alice);
  tell("the explorer is there");
  await alice.locator("#enter").click();
  await signedIn(alice, "Alice");
  tell("Alice is signed in, by one click");
  const [bob] = await Promise.all([
    context.waitForEvent("page"),
    alice.locator("#second").click(),
  ]);
  await open(bob);
  await signedIn(bob, "Bob");
  tell("Bob is signed in, by the second click");
  return [alice, bob];
}

async function talk(alice, bob) {
  await run(alice, 3, '"Bob"');
  await run(alice, 4, '"chat"');
  await run(alice, 5, "InboxReady");
  await run(bob, 3, '"Alice"');
  await run(bob, 4, '"chat"');
  await run(bob, 6, '"seq"');
  await awaitAnswer(alice, "Hello from the explorer");
  tell("Alice sees Bob's message live");
  await alice.screenshot({ path: path.join(shots, "live-message.png") });
  await run(bob, 9, '"expiresAt"');
  await awaitAnswer(alice, "TypingUpdated");
  tell("Alice sees that Bob types");
}

async function sendFile(bob) {
  await run(bob, 15, '"parts"');
  await bob.locator("#send").click();
  await bob.waitForFunction(() => document.getElementById("sent").textContent.includes("tab 16"));
  await bob.screenshot({ path: path.join(shots, "upload.png") });
  await run(bob, 16, '"media"');
  await run(bob, 17, '"A picture"');
  tell("Bob has sent a picture");
}

async function end(alice, bob) {
  await alice.locator("#forget").click();
  await awaitAnswer(alice, "you chose Forget");
  await run(alice, 3, "Run tabs 1 and 2");
  tell("Forget ends what ran, and an error names the tabs to run");
  await bob.setViewportSize({ width: 390, height: 800 });
  await run(bob, 13, '"channels"');
  const width = await bob.evaluate(() => document.documentElement.scrollWidth);
  if (width > 390) throw new Error(`at 390 px the page is ${width} px wide`);
  await bob.screenshot({ path: path.join(shots, "telephone.png") });
  await run(bob, 19, '"deviceId"');
  tell("Bob is signed out");
}

async function walk(chromium) {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => fs.existsSync(place));
  if (!executablePath) throw new Error("no Chromium: name one with CHROMIUM=…");
  const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath, args: [...ARGUMENTS, ...root] });
  try {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    context.on("page", watch);
    const [alice, bob] = await meet(context);
    await talk(alice, bob);
    await sendFile(bob);
    await end(alice, bob);
  } finally {
    await browser.close();
  }
  if (faults.length) throw new Error(`the page reported: ${faults.join("; ")}`);
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "parley-walk-"));
try {
  fs.mkdirSync(shots, { recursive: true });
  await walk(await loadPlaywright(scratch));
  console.log(`Screenshots are in ${shots}.`);
} catch (error) {
  console.error(`The walk ended: ${error.message}`);
  process.exitCode = 1;
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
