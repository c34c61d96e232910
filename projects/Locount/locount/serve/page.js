"use strict";

const MAX_BYTES = 20e6;
const LABEL = 12; // pixels of the screen

const $ = (id) => document.getElementById(id);
let photo = null; // { name, width, height, categories, detections, totals }
let chosen = null; // id of the only category that is shown
let shown = []; // detections on the photo
let least = 0; // score; the slider has steps, and the first one may lie between
let asked = 0;

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

// By content: what a browser says of a file's type it takes from the name.
async function isPicture(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  return /^(\xff\xd8\xff|\x89PNG|BM|RIFF[^]{4}WEBP)/.test(head);
}

async function predict(file) {
  if (!file) return;
  say("");
  if (!(await isPicture(file))) return say("Give a picture: JPEG, PNG, WebP or BMP.");
  if (file.size > MAX_BYTES) return say("The photo has over 20 MB: give a smaller one.");
  const question = ++asked;
  $("busy").textContent = `Looking at ${file.name} …`;
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const response = await fetch("predict", { method: "POST", headers, body: file });
    const failed = { detail: `The server is busy (${response.status}): try again.` };
    const answer = await response.json().catch(() => failed);
    if (question !== asked) return; // another photo was given meanwhile
    if (!response.ok) return say(answer.detail);
    photo = { name: file.name, ...answer };
    chosen = null;
    URL.revokeObjectURL($("image").src);
    $("image").src = URL.createObjectURL(file);
    $("boxes").setAttribute("viewBox", `0 0 ${photo.width} ${photo.height}`);
    $("score").value = least = photo.score;
    $("result").hidden = false;
    show();
  } catch (error) {
    say(`There is no answer from the server (${error.message}). Check that it is still running.`);
  } finally {
    if (question === asked) $("busy").textContent = "";
  }
}

// Whether these are the detections that the intervals speak of.
function calibrated(detections) {
  const counted = photo.detections.filter((d) => d.score >= photo.score);
  return photo.totals !== null && detections.length === counted.length;
}

const range = (total) => (total ? ` (${total.low}–${total.high})` : "");

// Rows of the stock list, in the order of the categories: as in inventory.csv of locount predict.
function stock(detections) {
  const lowest = (values) => (values.length ? Math.min(...values) : null);
  return photo.categories
    .map((category) => {
      const own = detections.filter((d) => d.category_id === category.id);
      return {
        ...category,
        boxes: own.length,
        instances: own.reduce((sum, d) => sum + d.count, 0),
        score: lowest(own.map((d) => d.score)),
        countScore: lowest(own.map((d) => d.count_score).filter((s) => s !== null)),
        interval: calibrated(detections) ? photo.totals.categories[category.id] : null,
      };
    })
    .filter((row) => row.boxes);
}

function show() {
  $("score-value").value = least.toFixed(2);
  const found = photo.detections.filter((d) => d.score >= least);
  const rows = stock(found);
  if (!rows.some((row) => row.id === chosen)) chosen = null;
  $("count").textContent = found.length;
  const total = calibrated(found) ? photo.totals.photo : null;
  $("instances").textContent = `${found.reduce((sum, d) => sum + d.count, 0)}${range(total)}`;
  $("interval").hidden = !photo.totals;
  if (photo.totals) {
    $("interval").textContent = total
      ? `In brackets: an interval that holds the truth on ${Number((100 * photo.totals.level).toFixed(2))} % of photos like those of the calibration.`
      : `Intervals are of score ${photo.score.toFixed(2)}.`;
  }
  $("detail").textContent = found.length ? "Point at a box to see what it is." : "";
  $("nothing").hidden = found.length > 0;
  $("stock").replaceChildren(...rows.map(stockRow));
  shown = chosen === null ? found : found.filter((d) => d.category_id === chosen);
  draw();
  URL.revokeObjectURL($("csv").href);
  $("csv").href = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
  $("csv").download = `${photo.name.replace(/\.[^.]*$/, "")}.csv`;
}

function stockRow(row) {
  const button = document.createElement("button");
  button.type = "button";
  button.ariaPressed = row.id === chosen;
  button.append(document.createElement("i"), row.name);
  button.firstChild.style.background = row.color;
  button.addEventListener("click", () => {
    chosen = row.id === chosen ? null : row.id;
    show();
    document.querySelector(`#stock [data-id="${row.id}"] button`).focus();
  });
  const line = document.createElement("tr");
  line.dataset.id = row.id;
  const head = document.createElement("th");
  head.scope = "row";
  head.append(button);
  line.append(head);
  for (const value of [row.boxes, `${row.instances}${range(row.interval)}`, row.score.toFixed(2)]) {
    line.insertCell().textContent = value;
  }
  return line;
}

function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function draw() {
  const categories = new Map(photo.categories.map((category) => [category.id, category]));
  const pixel = photo.width / $("photo").clientWidth;
  const boxes = [];
  const labels = [];
  for (const d of shown) {
    const [x, y, width, height] = d.bbox;
    const { color, name } = categories.get(d.category_id);
    const box = svg("rect", { x, y, width, height, stroke: color });
    box.addEventListener("pointerenter", () => {
      const interval = range(d.count_low && { low: d.count_low, high: d.count_high });
      $("detail").textContent = `${name} ×${d.count}${interval}, score ${d.score.toFixed(2)}`;
    });
    boxes.push(box);
    // Where the box has room for it.
    if (Math.min(width, height) < 1.2 * LABEL * pixel) continue;
    const place = { x: x + width / 2, y: y + height / 2, "font-size": LABEL * pixel };
    labels.push(svg("text", place));
    labels.at(-1).textContent = `×${d.count}`;
  }
  $("boxes").replaceChildren(...boxes, ...labels);
}

function csv(rows) {
  // An apostrophe before what spreadsheets would take for a formula, as in inventory.csv.
  const safe = (v) => (typeof v === "string" && /^[=+\-@\t\r]/.test(v) ? `'${v}` : String(v));
  const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const round = (score) => (score === null ? "" : Math.round(score * 1e4) / 1e4);
  const header =
    "photo,category,group,boxes,instances,lowest_confidence,lowest_count_confidence".split(",");
  const bounds = (total) => (photo.totals ? [total ? total.low : "", total ? total.high : ""] : []);
  if (photo.totals) header.push("instances_low", "instances_high");
  const lines = rows.map((row) => [
    ...[photo.name, row.name, row.group, row.boxes, row.instances],
    ...[round(row.score), round(row.countScore), ...bounds(row.interval)],
  ]);
  const total = calibrated([]) ? photo.totals.photo : null;
  if (!rows.length) lines.push([photo.name, "", "", 0, 0, "", "", ...bounds(total)]);
  return [header, ...lines].map((line) => `${line.map((v) => quote(safe(v))).join(",")}\r\n`).join("");
}

$("file").addEventListener("change", () => {
  predict($("file").files[0]);
  $("file").value = ""; // so that the same photo can be given again
});
$("score").addEventListener("input", () => {
  least = Number($("score").value);
  show();
});
new ResizeObserver(() => photo && draw()).observe($("photo"));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") predict(event.dataTransfer.files[0]);
  });
}
