"""What the page does when a control moves, in JavaScript.

``info`` is what :func:`neurosim.viewer.page_data.page_info` gives; the other names are
models of Bokeh that :mod:`neurosim.viewer.page_layout` hands over.
"""

__all__ = ["READ", "TOGGLE", "UPDATE"]

#: After a slider has moved: draw the chosen neuron during the chosen image.
UPDATE = """
const image = image_slider.value, cell = neuron_slider.value;
const steps = info.steps, cells = info.cells;
const drawn = {time: traces.data.time};
for (const name of info.names) {
  const values = all.data[name][0], column = new Array(steps);
  for (let s = 0; s < steps; s++)
    column[s] = values[(image * steps + s) * cells + cell];
  drawn[name] = column;
}
traces.data = drawn;
if (info.spikes) {
  const values = all.data[info.spikes][0];
  const up = {time: [], neuron: [], size: []}, down = {time: [], neuron: [], size: []};
  let largest = 1e-12;
  const begin = image * steps * cells;
  for (let n = begin; n < begin + steps * cells; n++)
    largest = Math.max(largest, Math.abs(values[n]));
  for (let s = 0; s < steps; s++)
    for (let c = 0; c < cells; c++) {
      const value = values[begin + s * cells + c];
      if (value === 0) continue;
      const side = value > 0 ? up : down;
      side.time.push(drawn.time[s]);
      side.neuron.push(info.neurons[c]);
      side.size.push(2.5 + 7 * Math.sqrt(Math.abs(value) / largest));
    }
  up_spikes.data = up;
  down_spikes.data = down;
  own.location = info.neurons[cell];
}
picture.data = {image: [pictures.data.image[image]]};
answer.data = {class: info.classes, rate: info.answers[image], target: info.targets[image]};
image_slider.title = "image " + info.ids[image];
neuron_slider.title = "neuron " + info.neurons[cell];
heading.text = info.title.replace("{neuron}", info.neurons[cell])
  .replace("{image}", info.ids[image]) + " &mdash; " + info.words[image];
"""

#: After a checkbox has changed: show and hide traces, and panels without any.
TOGGLE = """
const shown = new Set(checks.active.map(n => info.names[n]));
for (const name of info.names) {
  lines[name].visible = shown.has(name);
  items[name].visible = shown.has(name);
}
for (const [name, members] of Object.entries(info.members))
  panels[name].visible = members.some(member => shown.has(member));
"""

#: After the pointer has moved: show the values of the traces at the nearest step.
READ = """
const time = cb_obj.x, times = traces.data.time;
let best = 0;
for (let s = 1; s < times.length; s++)
  if (Math.abs(times[s] - time) < Math.abs(times[best] - time)) best = s;
cursor.location = times[best];
const shown = new Set(checks.active.map(n => info.names[n]));
let text = "<b>" + times[best] + " ms, " + info.phases[best] + "</b><table>";
for (const name of info.names)
  if (shown.has(name))
    text += "<tr><td>" + name.replace("_", " ") + "</td><td style='text-align:right;" +
      "padding-left:1em'>" + Number(traces.data[name][best]).toPrecision(4) + "</td></tr>";
readout.text = text + "</table>";
"""
