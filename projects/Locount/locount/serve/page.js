"use strict";

const MAX_BYTES = 20e6;
const LABEL = 12; // pixels of the screen

const $ = (id) => document.getElementById(id);
const photos = []; // { name, url, width, height, categories, detections, totals, shelf, page }
let photo = null; // the one that is shown
let chosen = null; // id of the only category that is shown
let shown = []; // detections on the photo
let least = 0; // score; the slider has steps, and the first one may lie between
let waiting = 0; // photos that have no answer yet
let turn = Promise.resolve(); // of the last one; they are asked one by one

function say(text) {
  $("message").innerText = text;
  $("message").hidden = !text;
}

// By content: what a browser says of a file's type it takes from the name.
async function isPicture(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  return /^(\xff\xd8\xff|\x89PNG|BM|RIFF[^]{4}WEBP)/.test(head);
}

function give(files) {
  say("");
  let first = true;
  for (const file of files) {
    waiting += 1;
    turn = turn.then(async () => {
      const more = waiting > 1 ? `, and ${waiting - 1} more` : "";
      $("busy").textContent = `Looking at ${file.name}${more} …`;
      const problem = await predict(file, first).catch(
        (error) => `There is no answer from the server (${error.message}). Check that it is still running.`,
      );
      if (!problem) first = false;
      else say([$("message").innerText, `${file.name}: ${problem}`].filter(Boolean).join("\n"));
      waiting -= 1;
      if (!waiting) $("busy").textContent = "";
    });
  }
}

// What is wrong, if something is.
async function predict(file, first) {
  if (!(await isPicture(file))) return "Give a picture: JPEG, PNG, WebP or BMP.";
  if (file.size > MAX_BYTES) return "The photo has over 20 MB: give a smaller one.";
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await fetch("predict", { method: "POST", headers, body: file });
  const failed = { detail: `The server is busy (${response.status}): try again.` };
  const answer = await response.json().catch(() => failed);
  if (!response.ok) return answer.detail;
  photos.push({ name: file.name, url: URL.createObjectURL(file), ...answer });
  if (!photo) $("score").value = least = answer.score;
  if (first) choose(photos.at(-1));
  else show();
}

function choose(other) {
  photo = other;
  chosen = null;
  $("image").src = photo.url;
  $("boxes").setAttribute("viewBox", `0 0 ${photo.width} ${photo.height}`);
  $("shelf").innerHTML = photo.page;
  $("result").hidden = false;
  show();
}

const visible = (of) => of.detections.filter((d) => d.score >= least);

// Whether these are the detections that intervals, rows and gaps are of.
const asGiven = (of) => visible(of).length === of.shelf.places.length;

const total = (of) => (of.totals && asGiven(of) ? of.totals.photo : null);
const items = (detections) => detections.reduce((sum, d) => sum + d.count, 0);
const range = (total) => (total ? ` (${total.low}–${total.high})` : "");

// Rows of the stock list, in the order of the categories: as in inventory.csv of locount predict.
function stock(of) {
  const lowest = (values) => (values.length ? Math.min(...values) : null);
  return of.categories
    .map((category) => {
      const own = visible(of).filter((d) => d.category_id === category.id);
      return {
        ...category,
        boxes: own.length,
        instances: items(own),
        score: lowest(own.map((d) => d.score)),
        countScore: lowest(own.map((d) => d.count_score).filter((s) => s !== null)),
        interval: total(of) && of.totals.categories[category.id],
      };
    })
    .filter((row) => row.boxes);
}

function show() {
  $("score-value").value = least.toFixed(2);
  const found = visible(photo);
  const rows = stock(photo);
  if (!rows.some((row) => row.id === chosen)) chosen = null;
  $("count").textContent = found.length;
  $("instances").textContent = `${items(found)}${range(total(photo))}`;
  $("shelf").hidden = !asGiven(photo);
  $("other-score").hidden = asGiven(photo);
  const what = photo.totals ? "Rows, gaps and intervals" : "Rows and gaps";
  $("other-score").textContent = `${what} are of score ${photo.score.toFixed(2)}.`;
  $("detail").textContent = found.length ? "Point at a box, or touch it, to see what it is." : "";
  $("nothing").hidden = found.length > 0;
  $("stock").replaceChildren(...rows.map(stockRow));
  $("several").hidden = photos.length < 2;
  $("photos").replaceChildren(...photos.map(photoRow));
  shown = chosen === null ? found : found.filter((d) => d.category_id === chosen);
  draw();
  URL.revokeObjectURL($("csv").href);
  $("csv").href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  const name = photos.length > 1 ? "locount" : photo.name.replace(/\.[^.]*$/, "");
  $("csv").download = `${name}.csv`;
}

// A row of a table that does something when it is clicked; "parts" go before its name.
function rowOf(name, pressed, values, onClick, ...parts) {
  const button = document.createElement("button");
  button.type = "button";
  button.ariaPressed = pressed;
  button.append(...parts, name);
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.append(button);
  line.append(head);
  for (const value of values) line.insertCell().textContent = value;
  button.addEventListener("click", () => {
    const table = line.parentElement;
    const place = line.sectionRowIndex;
    onClick();
    table.rows[place].querySelector("button").focus();
  });
  return line;
}

function photoRow(of) {
  const rows = Math.max(0, ...of.shelf.places.map((place) => place.row));
  const shelf = asGiven(of) ? [rows, of.shelf.gaps.length] : ["", ""];
  const values = [visible(of).length, `${items(visible(of))}${range(total(of))}`, ...shelf];
  return rowOf(of.name, of === photo, values, () => choose(of));
}

function stockRow(row) {
  const color = document.createElement("i");
  color.style.background = row.color;
  const values = [row.boxes, `${row.instances}${range(row.interval)}`, row.score.toFixed(2)];
  const onClick = () => {
    chosen = row.id === chosen ? null : row.id;
    show();
  };
  return rowOf(row.name, row.id === chosen, values, onClick, color);
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
      const place = asGiven(photo) && photo.shelf.places[photo.detections.indexOf(d)];
      const where = place ? `, row ${place.row}, position ${place.position}` : "";
      $("detail").textContent = `${name} ×${d.count}${interval}, score ${d.score.toFixed(2)}${where}`;
    });
    boxes.push(box);
    // Where the box has room for it.
    if (Math.min(width, height) < 1.2 * LABEL * pixel) continue;
    const place = { x: x + width / 2, y: y + height / 2, "font-size": LABEL * pixel };
    labels.push(svg("text", place));
    labels.at(-1).textContent = `×${d.count}`;
  }
  const gaps = asGiven(photo) ? photo.shelf.gaps : [];
  for (const { x1, y1, x2, y2 } of gaps) {
    boxes.unshift(svg("rect", { class: "gap", x: x1, y: y1, width: x2 - x1, height: y2 - y1 }));
    boxes[0].addEventListener("pointerenter", () => ($("detail").textContent = "Gap"));
  }
  $("boxes").replaceChildren(...boxes, ...labels);
}

function csv() {
  // An apostrophe before what spreadsheets would take for a formula, as in inventory.csv.
  const safe = (v) => (typeof v === "string" && /^[=+\-@\t\r]/.test(v) ? `'${v}` : String(v));
  const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const round = (score) => (score === null ? "" : Math.round(score * 1e4) / 1e4);
  const header =
    "photo,category,group,boxes,instances,lowest_confidence,lowest_count_confidence".split(",");
  if (photo.totals) header.push("instances_low", "instances_high");
  const lines = photos.flatMap((of) => {
    const bounds = (total) => (of.totals ? [total ? total.low : "", total ? total.high : ""] : []);
    const rows = stock(of).map((row) => [
      ...[of.name, row.name, row.group, row.boxes, row.instances],
      ...[round(row.score), round(row.countScore), ...bounds(row.interval)],
    ]);
    return rows.length ? rows : [[of.name, "", "", 0, 0, "", "", ...bounds(total(of))]];
  });
  return [header, ...lines].map((line) => `${line.map((v) => quote(safe(v))).join(",")}\r\n`).join("");
}

$("file").addEventListener("change", () => {
  give([...$("file").files]);
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
    if (name === "drop") give([...event.dataTransfer.files]);
  });
}
