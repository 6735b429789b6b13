/* The viewer of the maps. Nothing of the data is read before it is opened.
   What the data are is said in scripts/crossfc/report/viewer.py and packed_volume.py; what is drawn,
   in slices.py: this draws the same cuts, at the place that the reader chooses. */
(function () {
  "use strict";
  const AXES = ["x", "y", "z"], KEPT = 4;
  const get = (id) => document.getElementById(id);
  const section = get("viewer"), panel = get("viewer-panel"), opener = get("viewer-open"), without = get("viewer-without");
  if (!window.DecompressionStream) {
    without.textContent = "This browser is too old to unpack the maps. The pictures above show the same.";
    return;
  }
  without.hidden = true;
  opener.hidden = false;

  let data = null, reading = null, analysis = null, map = null, threshold = 0, voxel = [0, 0, 0], wanted = 0;
  const unpacked = new Map();

  /* Unpacking ------------------------------------------------------------------------------- */

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  /* Numbers, so many as are expected: a byte for each; of those that are 255 or more, two more bytes
     follow behind. */
  async function numbers(text, expected) {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const read = new Uint8Array(await new Response(stream).arrayBuffer());
    const out = new Uint16Array(read.subarray(0, expected));
    let next = expected;
    for (let n = 0; n < expected; n++) if (out[n] === 255) out[n] = read[next++] | (read[next++] << 8);
    return out;
  }

  function size(grid) {
    return grid.shape[0] * grid.shape[1] * grid.shape[2];
  }

  /* Undo packed_map(): what the neighbours before a voxel say, and by how much that is wrong. */
  async function mapValues(text, inside, grid, step) {
    const wrong = await numbers(text, inside.reduce((sum, one) => sum + one, 0));
    const [nx, ny, nz] = grid.shape, sx = ny * nz, sy = nz;
    const steps = new Int16Array(nx * sx), out = new Float32Array(nx * sx).fill(NaN);
    let next = 0, at = 0;
    for (let i = 0; i < nx; i++) for (let j = 0; j < ny; j++) for (let k = 0; k < nz; k++, at++) {
      if (!inside[at]) continue;
      const x = i && inside[at - sx], y = j && inside[at - sy], z = k && inside[at - 1];
      const xy = x && y && inside[at - sx - sy], xz = x && z && inside[at - sx - 1], yz = y && z && inside[at - sy - 1];
      let said = 0;
      if (xy && xz && yz && inside[at - sx - sy - 1]) {
        said = steps[at - sx] + steps[at - sy] + steps[at - 1] - steps[at - sx - sy] - steps[at - sx - 1] - steps[at - sy - 1] + steps[at - sx - sy - 1];
      } else if (yz) said = steps[at - sy] + steps[at - 1] - steps[at - sy - 1];
      else if (xz) said = steps[at - sx] + steps[at - 1] - steps[at - sx - 1];
      else if (xy) said = steps[at - sx] + steps[at - sy] - steps[at - sx - sy];
      else if (z) said = steps[at - 1];
      else if (y) said = steps[at - sy];
      else if (x) said = steps[at - sx];
      const code = wrong[next++];
      steps[at] = said + ((code >> 1) ^ -(code & 1));
      out[at] = steps[at] * step;
    }
    return out;
  }

  /* Unpack once what several maps share: search volumes, labels of regions, the template. */
  async function shared(entry, key, grid) {
    if (typeof entry[key] === "string") entry[key] = await numbers(entry[key], size(grid));
    return entry[key];
  }

  /* Volumes of a map; of the maps seen last a few are kept. */
  async function volumes(one) {
    if (!unpacked.has(one)) {
      const inside = data.insides[one.inside], grid = data.grids[inside.grid];
      const voxels = await shared(inside, "voxels", grid);
      if (grid.labels) await shared(grid, "labels", grid);
      const values = await mapValues(one.values, voxels, grid, data.step);
      const clusters = one.clusters ? await numbers(one.clusters, size(grid)) : null;
      let outlined = null;
      if (clusters && one.significant.includes(true)) {
        outlined = Float32Array.from(clusters, (label) => (label && one.significant[label - 1] ? 1 : 0));
      }
      unpacked.set(one, { grid, values, clusters, outlined });
      if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
    }
    return unpacked.get(one);
  }

  async function readData() {
    const read = JSON.parse(get("viewer-data").textContent);
    read.colours = bytes(read.colours);
    const template = read.template, brain = await numbers(template.voxels, size(template));
    template.values = await mapValues(template.values, brain, template, template.step);
    for (const one of read.analyses) get("viewer-analysis").add(new Option(one.title, one.name));
    data = read;
  }

  /* Places ---------------------------------------------------------------------------------- */

  function moved(rows, point) {
    return rows.map((row) => row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3]);
  }

  function indexOf(grid, place) {
    return (place[0] * grid.shape[1] + place[1]) * grid.shape[2] + place[2];
  }

  function nearestVoxel(grid, mm) {
    return moved(grid.from_mm, mm).map((v, n) => Math.min(Math.max(Math.round(v), 0), grid.shape[n] - 1));
  }

  /* The size of a voxel along each axis of the template, mm. */
  function voxelSize(grid) {
    return grid.to_mm.map((row) => Math.max(...row.slice(0, 3).map(Math.abs)));
  }

  function here() {
    return moved(map.grid.to_mm, voxel).map((v) => Math.round(100 * v) / 100);
  }

  function number(value, digits) {
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
  }

  function millimetres(value) {
    return number(value, Number.isInteger(value) ? 0 : 1);
  }

  /* Cuts ------------------------------------------------------------------------------------ */

  /* Interpolate a volume in a cut. What is NaN is left out of the mean of eight voxels; where most of
     it is, so is the result. */
  function sample(volume, grid, axis, at) {
    const [across, up] = data.planes[AXES[axis]].map((name) => AXES.indexOf(name));
    const [left, right] = data.box[AXES[across]], [low, high] = data.box[AXES[up]];
    const width = Math.round((right - left) / data.mm) + 1, height = Math.round((high - low) / data.mm) + 1;
    const out = new Float32Array(width * height), [nx, ny, nz] = grid.shape, sx = ny * nz, sy = nz;
    const point = [0, 0, 0], m = grid.from_mm;
    point[axis] = at;
    for (let v = 0; v < height; v++) for (let u = 0; u < width; u++) {
      point[across] = left + u * data.mm;
      point[up] = high - v * data.mm;
      const x = m[0][0] * point[0] + m[0][1] * point[1] + m[0][2] * point[2] + m[0][3];
      const y = m[1][0] * point[0] + m[1][1] * point[1] + m[1][2] * point[2] + m[1][3];
      const z = m[2][0] * point[0] + m[2][1] * point[1] + m[2][2] * point[2] + m[2][3];
      const n = v * width + u;
      out[n] = NaN;
      if (x < 0 || y < 0 || z < 0 || x > nx - 1 || y > ny - 1 || z > nz - 1) continue;
      const i = Math.min(Math.floor(x), nx - 2), j = Math.min(Math.floor(y), ny - 2), k = Math.min(Math.floor(z), nz - 2);
      let sum = 0, known = 0;
      for (let corner = 0; corner < 8; corner++) {
        const a = corner >> 2, b = (corner >> 1) & 1, c = corner & 1;
        const value = volume[(i + a) * sx + (j + b) * sy + k + c];
        if (value !== value) continue;
        const weight = (a ? x - i : 1 - x + i) * (b ? y - j : 1 - y + j) * (c ? z - k : 1 - z + k);
        sum += weight * value;
        known += weight;
      }
      if (known > 0.5) out[n] = sum / known;
    }
    return { values: out, width, height };
  }

  function opacity(size) {
    if (threshold <= 0 || size >= threshold) return 1;
    return data.faded * (size / threshold) ** 2;
  }

  /* Write the colour of a value over a grey into pixels. */
  function paint(pixels, n, grey, value) {
    const cover = Number.isNaN(value) ? 0 : opacity(Math.abs(value));
    const half = (data.colours.length / 3 - 1) / 2;
    const entry = cover && 3 * (half + Math.round(half * Math.min(Math.max(value / analysis.top, -1), 1)));
    for (let c = 0; c < 3; c++) pixels[4 * n + c] = Math.round(grey * (1 - cover) + (cover && data.colours[entry + c] * cover));
    pixels[4 * n + 3] = 255;
  }

  /* The lines where a sampled volume crosses one half, as pairs of points (marching squares). */
  function outline(cut) {
    const { values, width, height } = cut, lines = [];
    const at = (u, v) => values[v * width + u] || 0;
    for (let v = 0; v < height - 1; v++) for (let u = 0; u < width - 1; u++) {
      const corners = [[u, v], [u + 1, v], [u + 1, v + 1], [u, v + 1]], crossed = [];
      for (let n = 0; n < 4; n++) {
        const [a, b] = [corners[n], corners[(n + 1) % 4]], p = at(...a) - 0.5, q = at(...b) - 0.5;
        if (p > 0 !== q > 0) crossed.push([a[0] + (b[0] - a[0]) * p / (p - q), a[1] + (b[1] - a[1]) * p / (p - q)]);
      }
      for (let n = 0; n + 1 < crossed.length; n += 2) lines.push([crossed[n], crossed[n + 1]]);
    }
    return lines;
  }

  function context(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const shown = canvas.clientWidth;
    canvas.width = Math.round(shown * ratio);
    canvas.height = Math.round(shown * ratio * height / width);
    const drawing = canvas.getContext("2d");
    drawing.scale(canvas.width / width, canvas.height / height);
    return drawing;
  }

  function drawCut(box, axis, mm) {
    const grey = sample(data.template.values, data.template, axis, mm[axis]);
    const values = sample(map.values, map.grid, axis, mm[axis]).values;
    const { width, height } = grey, image = new ImageData(width, height);
    for (let n = 0; n < width * height; n++) if (!Number.isNaN(grey.values[n])) paint(image.data, n, grey.values[n], values[n]);
    const small = document.createElement("canvas");
    small.width = width;
    small.height = height;
    small.getContext("2d").putImageData(image, 0, 0);
    const drawing = context(box.querySelector("canvas"), width, height);
    drawing.imageSmoothingQuality = "high";
    drawing.drawImage(small, 0, 0);
    drawing.translate(0.5, 0.5);
    const pixel = width / box.clientWidth;
    if (map.outlined) {
      const lines = outline(sample(map.outlined, map.grid, axis, mm[axis]));
      for (const [colour, thickness] of [["rgba(255, 255, 255, .85)", 3.2], ["#000", 1.6]]) {
        stroke(drawing, colour, thickness * pixel, lines);
      }
    }
    const [across, up] = data.planes[AXES[axis]];
    const u = (mm[AXES.indexOf(across)] - data.box[across][0]) / data.mm;
    const v = (data.box[up][1] - mm[AXES.indexOf(up)]) / data.mm;
    stroke(drawing, "#1ad07a", 1.4 * pixel, [
      [[0, v], [u - 4, v]], [[u + 4, v], [width, v]], [[u, 0], [u, v - 4]], [[u, v + 4], [u, height]],
    ]);
    if (across === "x") {
      drawing.fillStyle = getComputedStyle(section).color;
      drawing.font = `${14 * pixel}px system-ui, sans-serif`;
      drawing.fillText("L", 2 * pixel, 14 * pixel);
      drawing.textAlign = "right";
      drawing.fillText("R", width - 3 * pixel, 14 * pixel);
    }
  }

  function stroke(drawing, colour, thickness, lines) {
    drawing.strokeStyle = colour;
    drawing.lineWidth = thickness;
    drawing.lineCap = "round";
    drawing.beginPath();
    for (const [from, to] of lines) {
      drawing.moveTo(...from);
      drawing.lineTo(...to);
    }
    drawing.stroke();
  }

  function drawScale() {
    const canvas = section.querySelector("canvas.scale"), drawing = context(canvas, 300, 44);
    const low = analysis.statistic === "F" ? 0 : -analysis.top, image = new ImageData(256, 1);
    for (let n = 0; n < 256; n++) paint(image.data, n, 150, low + (analysis.top - low) * n / 255);
    const small = document.createElement("canvas");
    small.width = 256;
    small.height = 1;
    small.getContext("2d").putImageData(image, 0, 0);
    drawing.drawImage(small, 22, 14, 256, 12);
    drawing.fillStyle = drawing.strokeStyle = getComputedStyle(section).color;
    drawing.font = "11px system-ui, sans-serif";
    drawing.textAlign = "center";
    drawing.fillText(analysis.scale, 150, 9);
    const ends = [...new Set([low, 0, analysis.top])], marks = [threshold, -threshold];
    for (const value of [...ends, ...marks.filter((v) => v && low < v && v < analysis.top)]) {
      const x = 22 + 256 * (value - low) / (analysis.top - low);
      drawing.fillRect(x - 0.5, 12, 1, 16);
      const room = Math.min(...ends.filter((v) => v !== value).map((v) => Math.abs(v - value)));
      if (ends.includes(value) || room > 0.1 * (analysis.top - low)) drawing.fillText(number(value, 1), x, 40);
    }
    canvas.setAttribute("aria-label", `Colour scale of ${analysis.scale} up to ${number(analysis.top, 1)}, opaque from ${number(threshold, 2)}`);
  }

  function draw() {
    if (!map || panel.hidden) return;
    const mm = here();
    section.querySelectorAll(".cut").forEach((box, axis) => drawCut(box, axis, mm));
    drawScale();
  }

  /* Words ----------------------------------------------------------------------------------- */

  function tell() {
    const at = indexOf(map.grid, voxel), value = map.values[at], mm = here();
    const label = map.clusters ? map.clusters[at] : 0, grid = map.grid;
    const sign = Math.abs(value) < data.most - data.step / 2 ? "" : value < 0 ? "\u2264 " : "\u2265 ";
    const facts = {
      place: `(${mm.map(millimetres).join(", ")}) mm`,
      statistic: analysis.statistic,
      value: Number.isNaN(value) ? "outside the search volume" : sign + number(value, data.step < 0.1 ? 2 : 1),
      cluster: label ? `corrected ${map.entry.p[label - 1]}${map.entry.significant[label - 1] ? ", outlined" : ""}` : "in none above the forming threshold",
      region: (grid.labels && grid.regions[grid.labels[at]]) || "an unnamed region",
    };
    for (const [name, words] of Object.entries(facts)) section.querySelector(`[data-fact="${name}"]`).textContent = words;
    section.querySelectorAll(".cut input").forEach((input, axis) => { if (input !== document.activeElement) input.value = mm[axis]; });
    const shown = String(voxel);
    get("viewer-peaks").querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.voxel === shown)));
  }

  /* What a reader does ---------------------------------------------------------------------- */

  function go(mm) {
    voxel = nearestVoxel(map.grid, mm);
    tell();
    draw();
  }

  function setThreshold(value) {
    threshold = value;
    get("viewer-threshold").value = value;
    get("viewer-threshold-value").textContent = number(value, 2);
  }

  /* Show a map; at the place of the one before if both have one grid and stay is true. */
  async function show(one, stay) {
    const order = ++wanted, ready = await volumes(one);
    if (order !== wanted) return;
    const kept = stay && map && map.grid === ready.grid ? here() : one.start;
    map = { ...ready, entry: one };
    const steps = voxelSize(map.grid), last = map.grid.shape.map((n) => n - 1);
    const ends = [moved(map.grid.to_mm, [0, 0, 0]), moved(map.grid.to_mm, last)];
    section.querySelectorAll(".cut input").forEach((input, axis) => {
      const sides = ends.map((end) => Math.round(100 * end[axis]) / 100);
      input.min = Math.min(...sides);
      input.max = Math.max(...sides);
      input.step = Math.round(100 * steps[axis]) / 100;
    });
    const list = get("viewer-peaks");
    list.replaceChildren(...one.peaks.map((peak) => {
      const row = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = peak.words;
      button.dataset.voxel = String(nearestVoxel(map.grid, peak.at));
      button.addEventListener("click", () => go(peak.at));
      row.append(button);
      return row;
    }));
    list.hidden = !one.peaks.length;
    get("viewer-peaks-title").textContent = one.peaks.length ? "Peaks of this map" : "This map has no peak above the forming threshold";
    go(kept);
  }

  async function chooseAnalysis(name, seed, stay) {
    analysis = data.analyses.find((one) => one.name === name);
    get("viewer-analysis").value = name;
    get("viewer-map").replaceChildren(...analysis.maps.map((one) => new Option(one.seed, one.name)));
    const one = analysis.maps.find((m) => m.name === seed) || analysis.maps[0];
    get("viewer-map").value = one.name;
    get("viewer-threshold-name").textContent = `Opaque from ${analysis.statistic === "F" ? "F" : "|t|"} =`;
    get("viewer-threshold").max = analysis.top;
    setThreshold(analysis.threshold);
    await show(one, stay);
  }

  async function open(name, seed) {
    panel.hidden = false;
    opener.textContent = "Close the viewer";
    opener.setAttribute("aria-expanded", "true");
    reading = reading || readData();
    await reading;
    if (name) return chooseAnalysis(name, seed, false);
    if (map) return draw();
    /* At first, the first map with something in it. */
    const outlined = (one) => (one.significant || []).includes(true);
    const first = data.analyses.find((one) => one.maps.some(outlined)) || data.analyses[0];
    return chooseAnalysis(first.name, (first.maps.find(outlined) || first.maps[0]).name, false);
  }

  opener.addEventListener("click", () => {
    if (panel.hidden) { open(); return; }
    panel.hidden = true;
    opener.textContent = "Open the viewer";
    opener.setAttribute("aria-expanded", "false");
  });
  get("viewer-analysis").addEventListener("change", (event) => chooseAnalysis(event.target.value, map.entry.name, true));
  get("viewer-map").addEventListener("change", (event) => show(analysis.maps.find((one) => one.name === event.target.value), true));
  get("viewer-threshold").addEventListener("input", (event) => { setThreshold(Number(event.target.value)); draw(); });
  get("viewer-threshold-reset").addEventListener("click", () => { setThreshold(analysis.threshold); draw(); });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  section.querySelectorAll(".cut").forEach((box, axis) => {
    const canvas = box.querySelector("canvas"), input = box.querySelector("input");
    const plane = () => data.planes[AXES[axis]].map((name) => AXES.indexOf(name));
    function point(event) {
      const shown = canvas.getBoundingClientRect(), [across, up] = plane(), mm = here();
      const [left, right] = data.box[AXES[across]], [low, high] = data.box[AXES[up]];
      mm[across] = left + (right - left + data.mm) * (event.clientX - shown.left) / shown.width - data.mm / 2;
      mm[up] = high - (high - low + data.mm) * (event.clientY - shown.top) / shown.height + data.mm / 2;
      go(mm);
    }
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); point(event); });
    canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) point(event); });
    canvas.addEventListener("keydown", (event) => {
      const [across, up] = plane();
      const step = { ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowDown: [up, -1], ArrowUp: [up, 1], PageDown: [axis, -1], PageUp: [axis, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const mm = here();
      mm[step[0]] += step[1] * (event.shiftKey ? 5 : 1) * voxelSize(map.grid)[step[0]];
      go(mm);
    });
    input.addEventListener("input", () => {
      if (!Number.isFinite(input.valueAsNumber)) return;
      const mm = here();
      mm[axis] = input.valueAsNumber;
      go(mm);
    });
    input.addEventListener("blur", tell);
  });

  /* From a picture to its map. */
  document.querySelectorAll("figure[data-map]").forEach((figure) => {
    const [name, seed] = figure.dataset.map.split(" "), button = document.createElement("button");
    button.type = "button";
    button.className = "viewer-link";
    button.textContent = "Look through this map";
    button.addEventListener("click", async () => {
      await open(name, seed);
      section.scrollIntoView();
      section.querySelector(".cut canvas").focus({ preventScroll: true });
    });
    figure.append(button);
  });
})();
