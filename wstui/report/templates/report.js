// Draws the charts in the colours of the page, and again when the page turns dark, light, narrow or to paper.
(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const SHEET = 640; // pixels that fit on A4 and Letter, with margins

  function colour(role) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + role).trim();
  }

  function axis(given) {
    return Object.assign(
      { gridcolor: colour("grid"), linecolor: colour("line"), zerolinecolor: colour("line"), automargin: true },
      given
    );
  }

  function lines(chart) {
    const shapes = [], notes = [];
    for (const [at, glyph, text, bad] of chart.marks) {
      const tint = colour(bad ? "bad" : "mark");
      shapes.push({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line: { color: tint, width: 1, dash: "dot" } });
      notes.push({ x: at, y: 1, yref: "paper", yanchor: "bottom", text: glyph, hovertext: text, showarrow: false, font: { color: tint, size: 11 } });
    }
    for (const [limit, text] of chart.limits) {
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: limit, y1: limit, line: { color: colour("mark"), width: 1.5, dash: "dash" } });
      notes.push({
        xref: "paper", x: 1, xanchor: "right", y: chart.layout.yaxis.type === "log" ? Math.log10(limit) : limit, yanchor: "bottom",
        text: text, showarrow: false, bgcolor: colour("card"), borderpad: 1, font: { color: colour("mark"), size: 11 },
      });
    }
    return { shapes: shapes, annotations: notes };
  }

  function draw(id, width) {
    const chart = charts[id], node = document.getElementById(id), given = chart.layout;
    const data = chart.data.map(function (trace) {
      const own = Object.assign({}, trace, { line: Object.assign({ color: colour(trace.role) }, trace.line) });
      delete own.role;
      return own;
    });
    const layout = Object.assign(
      {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "x unified",
        font: { color: colour("text"), size: 12, family: "system-ui, sans-serif" },
        hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("text") } },
        margin: { l: 50, r: given.yaxis2 ? 50 : 12, t: 20, b: 56 },
        legend: { orientation: "h", y: -0.16, yanchor: "top", x: 0, font: { size: 12 } },
        xaxis: axis(given.xaxis), yaxis: axis(given.yaxis),
      },
      lines(chart)
    );
    if (width) Object.assign(layout, { width: width, autosize: false });
    if (given.yaxis2) layout.yaxis2 = axis(Object.assign({ showgrid: false, tickmode: "auto", nticks: 5 }, given.yaxis2));
    Plotly.react(node, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  }

  // Plotly measures what is on the screen; paper is as wide as the sheet.
  function drawAll(width) {
    Object.keys(charts).forEach(function (id) {
      draw(id, typeof width === "number" ? width : undefined);
    });
  }

  drawAll();
  dark.addEventListener("change", drawAll);
  paper.addEventListener("change", function () { drawAll(paper.matches ? SHEET : undefined); });
  addEventListener("beforeprint", function () { drawAll(SHEET); });
  addEventListener("afterprint", drawAll);
})();
