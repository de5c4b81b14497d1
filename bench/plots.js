// Plots as SVG, by Vega-Lite: readable on a light page and on a dark one.

import { View, parse } from "vega";
import { compile } from "vega-lite";

const WIDTH = 560;
const FONT = "system-ui, sans-serif";
/** Where bars are beside one another, a text begins at the upper edge. */
const HALF_A_BAR = 7;
/** Ours stands out. */
const [OURS, OTHERS] = ["#d1495b", "#5b7fa6"];

/** @param {import("./report.js").Plot} plot */
export async function svgOf(plot) {
  const { spec } = compile(plot.kind === "bars" ? bars(plot) : lines(plot));
  return `${await new View(parse(spec), { renderer: "none" }).toSVG()}\n`;
}

/** What both kinds have. @param {import("./report.js").Plot} plot */
function shared({ title, subtitle, series }) {
  const values = series.flatMap(({ name, points }) => points.map(([x, y]) => ({ series: name, x, y })));
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 12,
    width: WIDTH,
    title: { text: title, ...(subtitle?.length && { subtitle }), anchor: /** @type {const} */ ("start") },
    data: { values },
    config: { font: FONT, view: { stroke: null } },
  };
}

/** A color for each series. @param {import("./report.js").Plot} plot */
function legend({ series }) {
  return {
    field: "series",
    type: /** @type {const} */ ("nominal"),
    title: null,
    sort: null,
    legend: series.length > 1 ? { orient: /** @type {const} */ ("bottom"), labelLimit: 320 } : null,
  };
}

/**
 * One bar for each point, in their order, with its value behind it.
 * @param {import("./report.js").Plot} plot
 * @returns {import("vega-lite").TopLevelSpec}
 */
function bars(plot) {
  const y = { field: "x", type: /** @type {const} */ ("nominal"), sort: null, title: plot.x || null };
  // Widths are estimates here: a limit would cut names that fit.
  const axis = { labelLimit: 0, domain: false, ticks: false };
  const several = plot.series.length > 1;
  const ours = { condition: { test: "test(/^ours/, datum.x)", value: OURS }, value: OTHERS };
  return {
    ...shared(plot),
    encoding: {
      y: { ...y, axis },
      x: { field: "y", type: "quantitative", title: plot.y, stack: null, axis: { grid: true, tickCount: 6 } },
      // Beside one another, not on top.
      ...(several && { yOffset: { field: "series", type: "nominal", sort: null } }),
    },
    layer: [
      {
        mark: { type: "bar", height: { band: 0.7 } },
        encoding: { color: several ? legend(plot) : ours },
      },
      {
        mark: { type: "text", align: "left", dx: 4, dy: several ? HALF_A_BAR : 0 },
        encoding: { text: { field: "y", type: "quantitative", format: ",.4~r" } },
      },
    ],
  };
}

/**
 * One line for each series.
 * @param {import("./report.js").Plot} plot
 * @returns {import("vega-lite").TopLevelSpec}
 */
function lines(plot) {
  const values = [...new Set(plot.series.flatMap(({ points }) => points.map(([x]) => Number(x))))];
  const whole = { labelBound: false, labelFlush: false, labelOverlap: false };
  const axis = plot.logarithmic ? { values, format: ",", ...whole } : {};
  const scale = { type: /** @type {"log" | "linear"} */ (plot.logarithmic ? "log" : "linear") };
  return {
    ...shared(plot),
    height: 260,
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "x", type: "quantitative", title: plot.x, scale, axis },
      y: { field: "y", type: "quantitative", title: plot.y, scale: { zero: true } },
      color: legend(plot),
    },
  };
}
