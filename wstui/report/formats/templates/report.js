// Draws the charts as SVG from the data in the page, again when its width changes, and tells the figures under the pointer.
(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const DASHES = { solid: "", dash: "7 4", dot: "2 3", dashdot: "8 3 2 3" };
  const SHEET = 640; // pixels that fit on A4 and Letter, with margins
  const TEXT = 6.6; // about the width of a digit

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return Number((value / 1e6).toPrecision(4)) + "M";
    return String(Number(value.toPrecision(4)));
  }

  // Ticks that people would choose, from zero or the least value to the greatest.
  function ticksOf(low, high, most) {
    const raw = (high - low || 1) / most, power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= raw * 0.999);
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) ticks.push([at, short(at)]);
    return ticks;
  }

  function axisOf(given, values, from, to, most) {
    const log = !!given.log;
    let [low, high] = given.range || [Math.min(...values), Math.max(...values)];
    if (!given.range && log) [low, high] = [low / 1.2, high * 1.2];
    if (!given.range && !log && !given.ticks) low = Math.min(0, low);
    if (!given.range && !log && from > to) high += (high - low) * 0.06;
    if (high === low) high = low + 1;
    const scale = log ? Math.log10 : (value => value);
    const place = value => from + (scale(value) - scale(low)) / (scale(high) - scale(low)) * (to - from);
    let ticks = (given.ticks || ticksOf(low, high, most)).filter(tick => tick[0] >= low * (1 - 1e-9) && tick[0] <= high * (1 + 1e-9));
    while (ticks.length > 2 * most) ticks = ticks.filter((_, index) => index % 2 === 0);
    return { place: place, ticks: ticks };
  }

  function spans(line, x, y) {
    let path = "", open = false;
    line.x.forEach(function (at, index) {
      const value = line.y[index];
      const usable = at !== null && value !== null && Number.isFinite(y(value));
      if (usable) path += (open ? "L" : "M") + x(at).toFixed(1) + " " + y(value).toFixed(1);
      open = usable;
    });
    // A value between two gaps would be a path of no length: a point of a round cap.
    return path.replace(/M([^ML]+)(?=M|$)/g, "M$1L$1");
  }

  function draw(id, given) {
    const chart = charts[id], node = document.getElementById(id);
    const width = Math.max(given || node.clientWidth, 220), height = node.clientHeight || 288;
    const values = name => chart.lines.filter(line => (line.axis || "y") === name)
      .flatMap(line => line.y).filter(value => value !== null && (value > 0 || !chart.axes[name].log));
    const across = chart.lines.flatMap(line => line.x).filter(value => value !== null);
    const svg = element("svg", { width: width, height: height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const legend = chart.lines.map(line => 34 + line.name.length * TEXT);
    let rows = 1, used = 0;
    const places = legend.map(function (size) {
      if (used && used + size > width - 10) { rows += 1; used = 0; }
      const at = [used, rows - 1];
      used += size;
      return at;
    });
    const bottom = height - 26 - rows * 18 - (chart.axes.x.title ? 16 : 0);
    const y = axisOf(chart.axes.y, values("y"), bottom, 20, Math.max(3, Math.floor(height / 60)));
    const y2 = chart.axes.y2 ? axisOf(chart.axes.y2, values("y2"), bottom, 20, 4) : null;
    const left = 30 + TEXT * Math.max(...y.ticks.map(tick => tick[1].length), 1);
    const right = width - (y2 ? 30 + TEXT * Math.max(...y2.ticks.map(tick => tick[1].length), 1) : 14);
    const x = axisOf(chart.axes.x, across, left, right, Math.max(2, Math.floor((right - left) / 90)));
    const label = (at, up, text, more) => svg.append(element("text", Object.assign({ x: at, y: up }, more), text));
    for (const [value, text] of y.ticks) {
      svg.append(element("path", { class: "grid", d: `M${left} ${y.place(value)}H${right}` }));
      label(left - 6, y.place(value) + 4, text, { "text-anchor": "end" });
    }
    let clear = -Infinity;
    for (const [value, text] of x.ticks) {
      const said = text + (chart.axes.x.suffix || ""), half = said.length * TEXT / 2;
      svg.append(element("path", { class: "grid", d: `M${x.place(value)} 20V${bottom}` }));
      if (x.place(value) - half < clear) continue;
      clear = x.place(value) + half + 8;
      label(Math.min(x.place(value), width - half), bottom + 16, said, { "text-anchor": "middle" });
    }
    if (y2) for (const [value, text] of y2.ticks) label(right + 6, y2.place(value) + 4, text);
    svg.append(element("path", { class: "axis", d: `M${left} 20V${bottom}H${right}` }));
    label(12, (20 + bottom) / 2, chart.axes.y.title, { transform: `rotate(-90 12 ${(20 + bottom) / 2})`, "text-anchor": "middle" });
    if (y2) label(width - 6, (20 + bottom) / 2, chart.axes.y2.title, { transform: `rotate(-90 ${width - 6} ${(20 + bottom) / 2})`, "text-anchor": "middle" });
    if (chart.axes.x.title) label((left + right) / 2, bottom + 32, chart.axes.x.title, { "text-anchor": "middle" });
    for (const [at, glyph, text, bad] of chart.marks) {
      const style = `--tint: var(--${bad ? "bad" : "mark"})`;
      svg.append(element("path", { class: "mark", style: style, d: `M${x.place(at)} 20V${bottom}` }));
      const said = element("text", { class: "glyph", style: style, x: x.place(at), y: 15, "text-anchor": "middle" }, glyph);
      said.append(element("title", {}, text));
      svg.append(said);
    }
    for (const [limit, text] of chart.limits) {
      svg.append(element("path", { class: "limit", d: `M${left} ${y.place(limit)}H${right}` }));
      label(right - 4, y.place(limit) - 4, text, { class: "limit", "text-anchor": "end" });
    }
    chart.lines.forEach(function (line, index) {
      const up = (line.axis ? y2 : y).place, style = `--tint: var(--${line.role})`, stroke = { "stroke-dasharray": DASHES[line.dash] };
      svg.append(element("path", Object.assign({ class: "line", style: style, d: spans(line, x.place, up) }, stroke)));
      if (line.points) line.x.forEach(function (at, nth) {
        if (line.y[nth] !== null) svg.append(element("circle", { class: "point", style: style, r: 3, cx: x.place(at), cy: up(line.y[nth]) }));
      });
      const [across, row] = places[index], level = height - (rows - row) * 18 + 8;
      svg.append(element("path", Object.assign({ class: "line key", style: style, d: `M${across + 2} ${level}h22` }, stroke)));
      label(across + 28, level + 4, line.name);
    });
    const cursor = element("path", { class: "cursor" });
    svg.append(cursor);
    node.replaceChildren(svg);
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    node.append(tip);
    svg.addEventListener("pointermove", function (event) {
      const at = event.clientX - svg.getBoundingClientRect().left;
      const nearest = across.reduce((best, value) => Math.abs(x.place(value) - at) < Math.abs(x.place(best) - at) ? value : best, across[0]);
      const told = chart.lines.map(function (line) {
        const index = line.x.indexOf(nearest);
        if (index < 0 || line.y[index] === null) return null;
        return [line.name, [short(line.y[index]), line.unit, line.text && line.text[index]].filter(Boolean).join(" ")];
      }).filter(Boolean);
      if (!told.length) return;
      cursor.setAttribute("d", `M${x.place(nearest)} 20V${bottom}`);
      tip.textContent = (chart.axes.x.suffix ? short(nearest) + chart.axes.x.suffix + "\n" : "") + told.map(pair => pair.join(" ")).join("\n");
      tip.hidden = false;
      const place = x.place(nearest);
      tip.style.left = (place + 12 + tip.offsetWidth > width ? Math.max(place - 12 - tip.offsetWidth, 0) : place + 12) + "px";
    });
    svg.addEventListener("pointerleave", function () {
      tip.hidden = true;
      cursor.removeAttribute("d");
    });
  }

  function drawAll(width) {
    Object.keys(charts).forEach(id => draw(id, typeof width === "number" ? width : undefined));
  }

  const paper = matchMedia("print");
  let waiting = 0;
  drawAll(paper.matches ? SHEET : undefined);
  addEventListener("resize", function () {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => drawAll(paper.matches ? SHEET : undefined));
  });
  paper.addEventListener("change", () => drawAll(paper.matches ? SHEET : undefined));
  addEventListener("beforeprint", () => drawAll(SHEET));
  addEventListener("afterprint", drawAll);
})();
