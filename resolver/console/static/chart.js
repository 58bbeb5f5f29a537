// Small pictures, drawn as SVG. Next to each one its numbers are told as text or a table.

const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** What stands for a kind of bar, beside the words for it: drawn like the bars, in all colours. */
export function keyOf(kind) {
  return shape(
    "svg",
    { viewBox: "0 0 12 12", class: "key-of", "aria-hidden": "true" },
    shape("rect", { class: kind, x: 1, y: 1, width: 10, height: 10 }),
  );
}

const DAY_MS = 86_400_000;
const [MIN_WIDTH, MAX_WIDTH] = [270, 1240]; // as wide as there is room, so that the numbers keep their size

/** Uses over time: one bar for each day between two days, refused ones on top. */
export function bars(since, until, days) {
  const width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, document.documentElement.clientWidth - 90));
  const [height, left, foot] = [170, 40, 22];
  const first = Date.parse(`${since}T00:00:00Z`);
  const count = Math.round((Date.parse(`${until}T00:00:00Z`) - first) / DAY_MS) + 1;
  const most = Math.max(1, ...days.map((day) => day.allowed + day.refused));
  const step = (width - left) / count;
  const scale = (height - foot - 12) / most;
  const drawing = shape("svg", {
    viewBox: `0 0 ${width} ${height}`,
    class: "chart",
    role: "img",
    "aria-label": `Uses by day from ${since} to ${until}; at most ${most} on one day`,
  });
  const base = height - foot;
  for (const part of [0, 0.5, 1]) {
    const y = base - part * most * scale;
    drawing.append(shape("line", { class: "grid", x1: left, x2: width, y1: y, y2: y }));
    if (part !== 0.5 || most > 1)
      drawing.append(
        shape("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, String(Math.round(part * most))),
      );
  }
  for (const day of days) {
    const x = left + Math.round((Date.parse(`${day.day}T00:00:00Z`) - first) / DAY_MS) * step;
    const bar = (kind, from, number) =>
      shape(
        "rect",
        {
          class: kind,
          x: x + step * 0.1,
          width: step * 0.8,
          y: base - (from + number) * scale,
          height: number * scale,
        },
        shape("title", {}, `${day.day}: ${number} ${kind === "refused" ? "refused" : "allowed"}`),
      );
    if (day.allowed > 0) drawing.append(bar("bar-shape", 0, day.allowed));
    if (day.refused > 0) drawing.append(bar("refused", day.allowed, day.refused));
  }
  drawing.append(
    shape("text", { x: left, y: height - 6 }, since),
    shape("text", { x: width, y: height - 6, "text-anchor": "end" }, until),
  );
  return drawing;
}

/** Secrets against blueprints: the larger the dot, the more uses. */
export function dots(pairs) {
  const keys = ranked(pairs, "key");
  const names = ranked(pairs, "blueprint");
  const most = Math.max(1, ...pairs.map((pair) => pair.count));
  const [left, head, cell] = [220, 130, 30];
  const width = Math.max(480, left + names.length * cell + 100);
  const height = head + keys.length * cell + 8;
  const drawing = shape("svg", {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    class: "chart dots",
    role: "img",
    "aria-label": `Which of ${keys.length} secrets are used by which of ${names.length} blueprints; the table below has the numbers`,
  });
  keys.forEach((key, row) => {
    const y = head + row * cell + cell / 2;
    drawing.append(
      shape("line", { class: "grid", x1: left, x2: left + names.length * cell, y1: y, y2: y }),
      shape("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, cut(key, 30), shape("title", {}, key)),
    );
  });
  names.forEach((name, column) => {
    const x = left + column * cell + cell / 2;
    const label = shape(
      "text",
      { transform: `translate(${x + 4} ${head - 8}) rotate(-40)` },
      cut(name || "(no name)", 24),
      shape("title", {}, name),
    );
    drawing.append(shape("line", { class: "grid", x1: x, x2: x, y1: head, y2: height - 8 }), label);
  });
  for (const pair of pairs) {
    const at = {
      cx: left + names.indexOf(pair.blueprint) * cell + cell / 2,
      cy: head + keys.indexOf(pair.key) * cell + cell / 2,
    };
    const r = 3 + 9 * Math.sqrt(pair.count / most);
    drawing.append(
      shape(
        "circle",
        { class: "dot", ...at, r },
        shape("title", {}, `${pair.blueprint || "(no name)"} used ${pair.key} ${pair.count} times`),
      ),
    );
  }
  return drawing;
}

function ranked(pairs, field) {
  const sums = new Map();
  for (const pair of pairs) sums.set(pair[field], (sums.get(pair[field]) || 0) + pair.count);
  return [...sums].sort(([a, many], [b, more]) => more - many || a.localeCompare(b)).map(([name]) => name);
}

function cut(text, length) {
  const characters = Array.from(text);
  return characters.length <= length
    ? text
    : `${characters.slice(0, length - 9).join("")}…${characters.slice(-8).join("")}`;
}
