// What the compartment view does in the browser. The page, the notebook and the server share
// it: `m` holds models of Bokeh by name, made in layout.py; `m.facts` what data.py tells.
const facts = JSON.parse(m.facts.data.json[0]);
const times = facts.times, steps = times.length;
const first_end = facts.phases[0].last, later = facts.phases.length > 1;
const number = v => v === 0 ? "0" : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-3 ?
  v.toExponential(2) : v.toPrecision(3);
const words = text => text.replaceAll("_", " ");
const escaped = text => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
let quiet = false, player = null;

// ---------------------------------------------------------------- where values lie

const layer = () => facts.layers[Number(m.layer.value)];
const place = () => Number(m.image.value);
const cell = () => Number(m.cell.value);

// the run, or what the sliders of parameters have made of this image
function shown() {
  const tried = m.tried.data;
  const there = tried.image && tried.image.length && tried.image[0] === place();
  return there ? {data: tried, at: 0, words: facts.words[place()]} :
    {data: m.run.data, at: place(), words: facts.words[place()]};
}

function compared() {
  const value = m.compare.value;
  if (value === "nothing") return null;
  if (value === "other")
    return {data: m.other.data, at: place(), words: facts.other.name};
  if (value === "run")
    return {data: m.run.data, at: place(), words: "the run's own parameters"};
  const at = Number(value);
  return {data: m.run.data, at, words: "image " + facts.ids[at] + ", " + facts.words[at]};
}

function column(where, name, at_cell) {
  const now = layer(), count = now.neurons.length, found = new Array(steps);
  const values = where.data[now.number + "/" + name][0];
  for (let s = 0; s < steps; s++)
    found[s] = values[(where.at * steps + s) * count + at_cell];
  return found;
}

// ---------------------------------------------------------------- traces

// a trace that is set anew at the end of a phase has a gap before its new value
function with_gaps(values, leaps, wanted) {
  const made = [];
  for (let s = 0; s < steps; s++) {
    if (leaps.includes(s)) made.push(wanted ? NaN : values[s - 1]);
    made.push(values[s]);
  }
  return made;
}

function members(kind) {
  return layer().traces.filter(trace => trace.kind === kind);
}

function draw_traces() {
  const now = layer(), mine = shown(), theirs = compared();
  const on = new Set(m.checks.active.map(n => now.traces[n].name));
  const visible = new Set();
  for (const [kind, panel] of Object.entries(m.panels)) {
    if (kind === "spikes" || kind === "rhythm" || kind === "change") continue;
    const traces = members(kind);
    const leaps = [...new Set(traces.flatMap(trace => trace.leaps))];
    const data = {time: []};
    for (let s = 0; s < steps; s++) {
      if (leaps.includes(s)) data.time.push(times[s - 1] + 1e-6);
      data.time.push(times[s]);
    }
    panel.lines.forEach((line, n) => {
      const trace = traces[n], empty = data.time.map(() => NaN);
      const shows = trace !== undefined && on.has(trace.name);
      line.visible = panel.items[n].visible = shows;
      panel.ghosts[n].visible = shows && theirs !== null;
      data["y" + n] = data["c" + n] = empty;
      if (!shows) return;
      visible.add(kind);
      panel.items[n].label = {value: words(trace.name)};
      data["y" + n] = with_gaps(column(mine, trace.name, cell()), leaps, trace.leaps.length);
      if (theirs)
        data["c" + n] = with_gaps(column(theirs, trace.name, cell()), leaps, trace.leaps.length);
    });
    panel.source.data = data;
    panel.figure.visible = visible.has(kind);
    if (traces.length)
      panel.figure.left[0].axis_label = facts.kinds[kind] +
        (traces[0].unit === "1" ? "" : " (" + traces[0].unit + ")");
  }
  draw_change(on, mine, theirs);
  draw_spikes(on, mine);
  const drawn = Object.values(m.panels).filter(panel => panel.figure.visible);
  drawn.forEach((panel, n) => { panel.figure.below[0].visible = n === drawn.length - 1; });
}

// only what comes after the first phase has a change since its end
function draw_change(on, mine, theirs) {
  const panel = m.panels.change;
  const traces = layer().traces.filter(t => t.changes && on.has(t.name));
  panel.figure.visible = later && traces.length > 0;
  const from = times.slice(first_end), data = {time: from};
  panel.lines.forEach((line, n) => {
    const trace = traces[n];
    line.visible = panel.items[n].visible = trace !== undefined;
    panel.ghosts[n].visible = trace !== undefined && theirs !== null;
    data["y" + n] = data["c" + n] = from.map(() => NaN);
    if (trace === undefined) return;
    panel.items[n].label = {value: words(trace.name)};
    const change = where => {
      const values = column(where, trace.name, cell());
      return values.slice(first_end).map(v => v - values[trace.reference]);
    };
    const colour = m.colours[trace.place % m.colours.length];
    line.glyph.line_color = colour;
    panel.ghosts[n].glyph.line_color = colour;
    data["y" + n] = change(mine);
    if (theirs) data["c" + n] = change(theirs);
  });
  panel.source.data = data;
}

// the chosen cell and at most a hundred of its neighbours by number
function draw_spikes(on, mine) {
  const panel = m.panels.spikes, now = layer();
  if (!panel) return;
  const trace = now.traces.find(t => t.kind === "spikes" && on.has(t.name));
  panel.figure.visible = trace !== undefined;
  if (!trace) return;
  const values = mine.data[now.number + "/" + trace.name][0], count = now.neurons.length;
  const low = Math.max(0, Math.min(cell() - 50, count - 100)), high = Math.min(count, low + 100);
  const up = {time: [], neuron: [], size: []}, down = {time: [], neuron: [], size: []};
  let largest = 1e-12;
  for (let s = 0; s < steps; s++)
    for (let c = low; c < high; c++)
      largest = Math.max(largest, Math.abs(values[(mine.at * steps + s) * count + c]));
  for (let s = 0; s < steps; s++)
    for (let c = low; c < high; c++) {
      const value = values[(mine.at * steps + s) * count + c];
      if (value === 0) continue;
      const side = value > 0 ? up : down;
      side.time.push(times[s]);
      side.neuron.push(now.neurons[c]);
      side.size.push(2.5 + 7 * Math.sqrt(Math.abs(value) / largest));
    }
  m.up.data = up;
  m.down.data = down;
  m.marks[0].visible = up.time.length > 0;
  m.marks[1].visible = down.time.length > 0;
  m.own.location = now.neurons[cell()];
  panel.figure.y_range.start = now.neurons[low] - 1;
  panel.figure.y_range.end = now.neurons[high - 1] + 1;
}

// ---------------------------------------------------------------- senders and synapses

function synapses(term) {
  const data = m.synapses.data, begin = data[term.key + "/first"][0];
  return {source: data[term.key + "/source"][0], weight: data[term.key + "/weight"][0],
          from: begin[cell()], to: begin[cell() + 1]};
}

function sender(term, n) {
  return term.size === 1 ? term.sender : term.sender + " " + n;
}

function bars(model, rows, count, rest) {
  rows.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const kept = rows.slice(0, count), left = rows.slice(count);
  if (rest && left.length)
    kept.push({name: "all others (" + left.length + ")",
               value: left.reduce((sum, row) => sum + row.value, 0)});
  kept.reverse();
  const values = kept.map(row => row.value), range = model.figure.x_range;
  const low = Math.min(0, ...values), high = Math.max(0, ...values), span = high - low || 1;
  // numbers stand on the free side of 0
  range.start = low - (high > 0 && -low < 0.55 * span ? 0.55 * span : 0.04 * span);
  range.end = high + (low < 0 && high < 0.55 * span ? 0.55 * span : 0.04 * span);
  model.figure.y_range.factors = kept.map(row => row.name);
  model.source.data = {
    name: kept.map(row => row.name), value: values,
    colour: values.map(v => m.colours[v < 0 ? 1 : 0]),
    up: values.map(v => v < 0 ? "" : "+" + number(v)), down: values.map(v => v < 0 ? number(v) : ""),
  };
}

function draw_senders() {
  const input = layer().inputs[Number(m.input.value)];
  m.input.visible = m.senders.title.visible = input !== undefined;
  m.mode.visible = input !== undefined && later;
  m.senders.figure.visible = false;
  if (!input) return;
  const mine = shown(), step = m.time.value, change = later && m.mode.active === 0;
  const rows = [];
  for (const term of input.terms) {
    if (!(term.given in mine.data)) continue;
    const given = mine.data[term.given][0], there = synapses(term);
    for (let n = there.from; n < there.to; n++) {
      const c = there.source[n], at = s => given[(mine.at * steps + s) * term.size + c];
      const value = there.weight[n] * (change ? at(step) - at(first_end) : at(step));
      if (value !== 0) rows.push({name: sender(term, c), value});
    }
  }
  const sum = rows.reduce((total, row) => total + row.value, 0);
  m.senders.figure.visible = rows.length > 0;
  m.senders.title.text = (change ? "change since the " + facts.phases[0].name +
    " phase: " : "at " + times[step] + " ms: ") + (sum > 0 ? "+" : "") + number(sum);
  bars(m.senders, rows, 5, true);
}

function draw_synapses() {
  const now = layer(), rows = [], seen = new Set();
  for (const term of now.inputs.flatMap(input => input.terms)) {
    const key = term.key + "/changed", most = facts.most_changes;
    if (!(key in m.synapses.data) || seen.has(term.weight + term.sender)) continue;
    seen.add(term.weight + term.sender);
    const from = m.synapses.data[key][0], change = m.synapses.data[term.key + "/change"][0];
    const begin = (place() * now.neurons.length + cell()) * most;
    for (let n = begin; n < begin + most; n++)
      if (change[n] !== 0)
        rows.push({name: words(term.weight) + " ← " + sender(term, from[n]), value: change[n]});
  }
  m.changes.figure.visible = m.changes.title.visible = rows.length > 0;
  bars(m.changes, rows, facts.most_changes, false);
}

function draw_field() {
  const term = layer().inputs.flatMap(input => input.terms).find(t => t.of_image);
  m.field.figure.visible = m.field.title.visible = term !== undefined;
  if (!term) return;
  const [channels, height, width] = facts.shape, there = synapses(term);
  // of the class that Bokeh draws images from
  const values = new m.picture.data.image[0].constructor(height * width, [height, width]);
  let most = 1e-12;
  for (let n = there.from; n < there.to; n++) {
    const pixel = there.source[n] % (height * width), row = height - 1 - Math.floor(pixel / width);
    const at = row * width + pixel % width;
    values[at] += there.weight[n] / channels;
    most = Math.max(most, Math.abs(values[at]));
  }
  m.field.mapper.low = -most;
  m.field.mapper.high = most;
  m.field.source.data = {image: [values]};
  m.field.title.text = "receptive field, " + words(term.weight) + " (orange &minus;, " +
    "purple +, up to " + number(most) + ")";
}

// ---------------------------------------------------------------- words and numbers

function draw_readout() {
  const now = layer(), mine = shown(), theirs = compared(), step = m.time.value;
  const at = where => trace => number(column(where, trace.name, cell())[step]);
  const parts = m.checks.active.map(n => now.traces[n]).filter(t => t.kind !== "spikes");
  const phase = facts.phases.find(p => step <= p.last).name;
  m.readout.text = "<b>" + times[step] + " ms, " + phase + "</b> " + parts.map(trace =>
    "<span style='white-space:nowrap;margin-left:.9em'><span style='color:" +
    m.colours[trace.place % m.colours.length] + "'>&#9632;</span> " + words(trace.name) + " " +
    at(mine)(trace) + (theirs ? " (" + at(theirs)(trace) + ")" : "") + "</span>").join(" ");
  for (const panel of Object.values(m.panels)) panel.cursor.location = times[step];
}

function draw_heading() {
  const now = layer(), order = m.cell.options.findIndex(o => o[0] === m.cell.value);
  const score = scores()[cell()], theirs = compared();
  m.heading.text = "<b>" + escaped(facts.title) + ": neuron " + now.neurons[cell()] +
    " of layer " + now.number + "</b> (" + escaped(now.role) + "), image " +
    facts.ids[place()] + ", " + shown().words + facts.nudge +
    "<br>" + escaped(now.score_words) + ": <b>" + number(score) + "</b>, number " +
    (order + 1) + " of " + now.neurons.length + " cells" + escaped(now.kept) +
    (theirs ? "<br>thin dashed lines and numbers in brackets: " + escaped(theirs.words) : "");
  m.notes.text = now.notes.map(note => "<p style='margin:2px 0'>" + escaped(note) +
    "</p>").join("");
}

function draw_answer() {
  const at = place(), mine = shown();
  m.picture.data = {image: [m.pictures.data.image[at]]};
  if (!facts.classes.length) return;
  const answer = mine.data.answer[0], count = facts.classes.length;
  m.answer.data = {class: facts.classes, target: facts.targets[at],
    rate: facts.classes.map(c => answer[mine.at * count + c])};
}

// ---------------------------------------------------------------- choices

function scores() {
  const now = layer(), count = now.neurons.length;
  const all = m.run.data[now.number + "/score"][0];
  return Array.from({length: count}, (_, c) => all[place() * count + c]);
}

// most moved first; the chosen cell stays, the most moved one is chosen if it cannot
function fill_cells(wanted) {
  const values = scores(), now = layer();
  const order = values.map((_, c) => c).sort((a, b) => values[b] - values[a] || a - b);
  m.cell.options = order.map(c =>
    [String(c), "neuron " + now.neurons[c] + " · " + number(values[c])]);
  m.cell.value = wanted !== undefined && wanted < order.length ? String(wanted) : String(order[0]);
}

function fill_layer() {
  const now = layer();
  m.checks.labels = now.traces.map(trace => words(trace.name));
  m.checks.active = now.traces.flatMap((trace, n) => trace.shown ? [n] : []);
  m.input.options = now.inputs.map((input, n) => [String(n), input.words]);
  fill_cells();
  choose_mode();
}

// the input that has changed most since the first phase, of those that come from other cells
function choose_input() {
  const now = layer(), mine = shown(), last = steps - 1;
  let best = 0, most = -1;
  now.inputs.forEach((input, n) => {
    if (!input.outside) return;
    const values = mine.data[input.total][0], count = now.neurons.length;
    const at = s => values[(mine.at * steps + s) * count + cell()];
    const moved = later ? Math.abs(at(last) - at(first_end)) : Math.abs(at(last));
    if (moved > most) { best = n; most = moved; }
  });
  m.input.value = String(best);
  return most > 0;
}

// where no input changes, what each has sent is more to be seen
function choose_mode() { m.mode.active = choose_input() && later ? 0 : 1; }

function draw() {
  draw_traces(); draw_answer(); draw_heading(); draw_synapses(); draw_field();
  draw_moment();
}

function draw_moment() { draw_readout(); draw_senders(); }

function zoom(phase) {
  const range = m.along, all = facts.phases;
  range.start = phase ? phase.begin : all[0].begin;
  range.end = phase ? phase.end : all[all.length - 1].end;
}

function turn(select, by) {
  const count = select.options.length;
  const now = select.options.findIndex(option => option[0] === select.value);
  select.value = select.options[(now + by + count) % count][0];
}

function play(on) {
  clearInterval(player);
  m.play.label = on ? "❚❚ stop" : "▶ play";
  if (on) player = setInterval(() => { m.time.value = (m.time.value + 1) % steps; }, 90);
}

// ---------------------------------------------------------------- files to take along

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const file_name = end => ["neurosim", "image", facts.ids[place()], "layer", layer().number,
                          "neuron", layer().neurons[cell()]].join("-") + end;

function table() {
  const traces = layer().traces, mine = shown();
  const columns = traces.map(trace => column(mine, trace.name, cell()));
  const rows = [["time_ms", "phase", ...traces.map(trace => trace.name)].join(",")];
  for (let s = 0; s < steps; s++)
    rows.push([times[s], facts.phases.find(p => s <= p.last).name,
               ...columns.map(values => values[s])].join(","));
  return rows.join("\n") + "\n";
}

// the panels that are shown, one below the other, under their heading
function picture() {
  const views = Object.values(m.panels).filter(panel => panel.figure.visible)
    .map(panel => Bokeh.index.find_one(panel.figure).export("png", false).canvas);
  const scale = window.devicePixelRatio || 1, head = 44 * scale;
  const sheet = document.createElement("canvas");
  sheet.width = Math.max(...views.map(view => view.width));
  sheet.height = views.reduce((sum, view) => sum + view.height, head);
  const pen = sheet.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.fillStyle = "black";
  pen.font = 13 * scale + "px sans-serif";
  const lines = m.heading.text.split("<br>").map(text => text.replace(/<[^>]+>/g, ""));
  lines.forEach((text, n) => pen.fillText(text, 8 * scale, (16 + 17 * n) * scale, sheet.width));
  let down = head;
  for (const view of views) { pen.drawImage(view, 0, down); down += view.height; }
  return sheet;
}

// ---------------------------------------------------------------- what hands do

const acts = {
  image: () => { fill_cells(cell()); draw(); },
  layer: () => { fill_layer(); draw(); },
  cell: () => { choose_input(); draw(); },
  compare: draw,
  checks: draw,
  tried: draw,
  time: draw_moment,
  mode: draw_senders,
  input: draw_senders,
  play: () => play(m.play.active),
  zoom: () => zoom(facts.phases[facts.phases.length - 1]),
  whole: () => zoom(null),
  csv: () => save(new Blob([table()], {type: "text/csv"}), file_name(".csv")),
  png: () => picture().toBlob(blob => save(blob, file_name(".png"))),
  point: event => {
    let best = 0;
    for (let s = 1; s < steps; s++)
      if (Math.abs(times[s] - event.x) < Math.abs(times[best] - event.x)) best = s;
    m.time.value = best;
  },
};

function act(what, event) {
  if (quiet) return;
  quiet = what !== "point" && what !== "play";
  try { acts[what](event); } finally { quiet = false; }
}

const keys = {
  ArrowRight: () => turn(m.image, 1), ArrowLeft: () => turn(m.image, -1),
  ArrowDown: () => turn(m.cell, 1), ArrowUp: () => turn(m.cell, -1),
  PageUp: () => turn(m.layer, 1), PageDown: () => turn(m.layer, -1),
  z: acts.zoom, r: acts.whole, " ": () => { m.play.active = !m.play.active; },
  ".": () => { m.time.value = Math.min(steps - 1, m.time.value + 1); },
  ",": () => { m.time.value = Math.max(0, m.time.value - 1); },
};

document.addEventListener("keydown", event => {
  const where = event.composedPath()[0].tagName;
  if (["INPUT", "SELECT", "TEXTAREA"].includes(where) || event.ctrlKey || event.metaKey) return;
  if (event.key === " " && where === "BUTTON") return;
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

function fit() {
  const narrow = window.innerWidth < 700;
  for (const panel of Object.values(m.panels))
    if (panel.legend) panel.legend.ncols = narrow ? 3 : 7;
  // names in full where there is room
  for (const name of ["image", "layer", "cell", "compare"]) m[name].width = narrow ? 165 : 220;
}

// a finger that moves over a panel scrolls the page; its buttons zoom
if (window.matchMedia("(pointer: coarse)").matches)
  for (const panel of Object.values(m.panels))
    for (const tool of panel.figure.toolbar.tools) tool.active = false;

window.addEventListener("resize", fit);
window.neurosim_view = {act, facts, table, picture, models: m};
quiet = true;
try {
  fit();
  m.layer.value = String(facts.start.layer);
  fill_layer();
  if (facts.start.traces) {
    const wanted = new Set(facts.start.traces);
    m.checks.active = layer().traces.flatMap((trace, n) => wanted.has(trace.name) ? [n] : []);
  }
  fill_cells(facts.start.cell);
  choose_mode();
  draw();
} finally { quiet = false; }
