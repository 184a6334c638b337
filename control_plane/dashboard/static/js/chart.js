// Draws the throughput chart over the server's picture of it, and appends what comes in.
"use strict";
(() => {
  const figure = document.querySelector("[data-chart]");
  if (!figure || !window.uPlot) return;

  const WINDOW_S = 3600;
  // Round in binary units: 1, 2, 4, ... bytes per second.
  const STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);
  const UNITS = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"];
  let plot = null;
  let data = [[], [], []];
  let busy = false;

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function rate(value) {
    if (value == null) return "–";
    let unit = 0;
    while (value >= 1024 && unit < UNITS.length - 1) {
      value /= 1024;
      unit += 1;
    }
    return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
  }

  function options() {
    const axis = {
      stroke: style("--ink-3"),
      grid: { stroke: style("--line"), width: 1 },
      ticks: { show: false },
      font: `11px ${style("--sans")}`,
    };
    const line = { width: 1.6, points: { show: false }, spanGaps: false };
    return {
      width: figure.clientWidth,
      height: figure.clientHeight,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_u, _low, high) => [0, Math.max(high, 1) * 1.1] } },
      axes: [
        { ...axis, size: 28, space: 90, values: "{HH}:{mm}", grid: { show: false } },
        { ...axis, size: 74, space: 40, incrs: STEPS, values: (_u, ticks) => ticks.map(rate) },
      ],
      series: [
        {},
        { ...line, label: "In", stroke: style("--series-in"), fill: `${style("--series-in")}1a` },
        { ...line, label: "Out", stroke: style("--series-out"), dash: [6, 3] },
      ],
    };
  }

  function draw() {
    if (!data[0].length) return;
    if (plot) {
      plot.setData(data);
      return;
    }
    figure.querySelector("[data-chart-fallback]")?.remove();
    plot = new window.uPlot(options(), data, figure);
  }

  function append(columns) {
    const from = columns.t[0];
    const keep = data[0].findIndex((t) => t >= from);
    const old = keep < 0 ? data : data.map((column) => column.slice(0, keep));
    data = [columns.t, ...columns.series].map((column, at) => old[at].concat(column));
    const first = data[0].findIndex((t) => t > data[0][data[0].length - 1] - WINDOW_S);
    if (first > 0) data = data.map((column) => column.slice(first));
  }

  async function refresh() {
    if (busy) return;
    busy = true;
    try {
      const last = data[0][data[0].length - 1];
      const query = last === undefined ? "" : `?after=${last}`;
      const answer = await fetch(figure.dataset.chart + query, { credentials: "same-origin" });
      if (!answer.ok) return;
      const columns = await answer.json();
      if (columns.t.length) {
        append(columns);
        draw();
      }
    } catch {
      // The live mark tells that the service is out of reach; the next event tries again.
    } finally {
      busy = false;
    }
  }

  function redraw() {
    if (plot) plot.destroy();
    plot = null;
    draw();
  }

  new ResizeObserver(() => plot?.setSize({ width: figure.clientWidth, height: figure.clientHeight })).observe(figure);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("ottla:live", refresh);
  refresh();
})();
