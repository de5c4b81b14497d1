// Headless Chromium, driven as W3C WebDriver says, by fetch.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { until } from "../until.js";
import { json } from "./world.js";

/** The member that stands for an element: section 11. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/**
 * Starts ChromeDriver. It chooses a port and then binds it twice, for IPv4 and IPv6: if somebody else has
 * one of them, it ends, and another start finds another port.
 */
async function startDriver() {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const driver = spawn("chromedriver", ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(driver, "exit");
    for await (const line of createInterface(driver.stdout)) {
      const port = /started successfully on port (\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      driver.stdout.resume();
      return { driver, ended, port };
    }
    await ended;
  }
  throw new Error("chromedriver did not start in ten attempts");
}

/** Starts ChromeDriver on a free port, and a browser with the flags of webdriver.json. */
export async function startBrowser() {
  const { driver, ended, port } = await startDriver();
  const base = `http://127.0.0.1:${port}/session`;

  /** @param {string} method @param {string} url @param {unknown} [body] @returns {Promise<any>} */
  async function command(method, url, body) {
    const response = await fetch(url, {
      method,
      body: body === undefined ? null : JSON.stringify(body),
    });
    const { value } = /** @type {any} */ (await response.json());
    if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  }

  async function stop() {
    if (session !== "") await command("DELETE", session).catch(() => {});
    driver.kill();
    await ended;
  }

  let session = "";
  try {
    const alwaysMatch = { browserName: "chrome", ...json("webdriver.json") };
    const { sessionId } = await command("POST", base, { capabilities: { alwaysMatch } });
    session = `${base}/${sessionId}`;
  } catch (error) {
    await stop();
    throw error;
  }

  /** @param {string} selector CSS */
  async function find(selector) {
    const found = await command("POST", `${session}/element`, {
      using: "css selector",
      value: selector,
    });
    return `${session}/element/${found[ELEMENT]}`;
  }
  /** @param {string} cmd @param {unknown} params */
  const devtools = (cmd, params) => command("POST", `${session}/goog/cdp/execute`, { cmd, params });

  return {
    stop,
    /** @param {string} url */
    open: (url) => command("POST", `${session}/url`, { url }),
    /** @returns {Promise<string>} */
    url: () => command("GET", `${session}/url`),
    /** @param {string} selector */
    click: async (selector) => command("POST", `${await find(selector)}/click`, {}),
    /** @param {string} selector @returns {Promise<string>} */
    text: async (selector) => command("GET", `${await find(selector)}/text`),
    /** @param {string} selector @returns {Promise<boolean>} */
    isTicked: async (selector) => command("GET", `${await find(selector)}/selected`),
    /** Waits until the page's headline says so: a click returns before its page is there. @param {string} headline */
    async until(headline) {
      await until(`the page ${headline}`, async () => headline === (await this.text("h1").catch(() => "")));
    },
    /** Drops every cookie. */
    forget: () => devtools("Network.clearBrowserCookies", {}),
    /** As a user has set it up, who has a dark screen, or a phone. @param {{ dark?: boolean, mobile?: boolean }} [how] */
    async look({ dark = false, mobile = false } = {}) {
      const value = dark ? "dark" : "light";
      await devtools("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value }],
      });
      const [width, height] = mobile ? [360, 740] : [1000, 900];
      await devtools("Emulation.setDeviceMetricsOverride", {
        width,
        height,
        deviceScaleFactor: 1,
        mobile,
      });
    },
    /** Whether something is wider than the screen. @returns {Promise<boolean>} */
    overflows: () =>
      command("POST", `${session}/execute/sync`, {
        script: "return document.documentElement.scrollWidth > innerWidth",
        args: [],
      }),
    /** What the console has said since it was asked last: a blocked style would be in it. @returns {Promise<{ message: string }[]>} */
    console: () => command("POST", `${session}/se/log`, { type: "browser" }),
    /** Keeps a picture in the folder `SHOTS`, if there is one. @param {string} name */
    async shot(name) {
      const { SHOTS } = process.env;
      if (SHOTS === undefined) return;
      mkdirSync(SHOTS, { recursive: true });
      const picture = await command("GET", `${session}/screenshot`);
      writeFileSync(`${SHOTS}/${name}.png`, Buffer.from(picture, "base64"));
    },
  };
}
