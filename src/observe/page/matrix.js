// Names by VPCs. The whole report is here, a letter for each cell; of the grid only what is seen is in the document.
import { by, count, fill, make, number, read, say } from "./element.js";

const WORDS = { P: "● Private", U: "○ Public", O: "▲ Off", N: "– No endpoint", "-": "" };
const ROW = 44, HEAD = 52;
/** Cells that are held; beyond, the server looks for VPCs. */
const CELLS = 4_000_000;

const grid = by("grid"), sheet = make("div", "sheet");
let names = [], vpcs = [], all = { names: [], vpcs: [], total: 0 };
let rows = [], columns = [], at = { row: 0, column: 0 }, wanted = 0, onCell = () => {};

/** Begins; `open(name, vpc)` is called for a cell that is chosen. */
export function matrix(open) {
  onCell = (row, column) => names[row] && vpcs[column] && open(names[row], vpcs[column]);
  grid.append(sheet);
  grid.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  grid.addEventListener("keydown", move);
  grid.addEventListener("focusin", focused);
  grid.addEventListener("click", chosen);
  new ResizeObserver(draw).observe(grid);
  for (const id of ["names-word", "names-status"]) by(id).addEventListener("input", filter);
  by("names-vpc").addEventListener("input", () => (all.partial ? load() : filter()));
}

/** Reads all pages of the matrix, as far as they are held. */
export async function load() {
  const mine = ++wanted, part = all.partial ? by("names-vpc").value.trim() : "";
  const held = { names: new Map(), vpcs: [], total: 0, partial: false };
  for (let offset = 0; offset !== null; ) {
    const page = await read("/v1/matrix", { vpc: part, offset });
    if (mine !== wanted) return;
    const place = page.names.map((name) => {
      const key = `${name.name} ${name.service_name}`;
      if (!held.names.has(key)) held.names.set(key, { ...name, words: key.toLowerCase(), number: held.names.size });
      return held.names.get(key).number;
    });
    const same = place.every((to, from) => to === from);
    for (const vpc of page.vpcs) {
      const cells = same ? vpc.cells : spread(vpc.cells, place, held.names.size);
      held.vpcs.push({ ...vpc, cells, words: `${vpc.vpc_id} ${vpc.region}`.toLowerCase() });
    }
    held.total = page.total;
    offset = page.next;
    if (offset !== null && held.vpcs.length * held.names.size > CELLS) { held.partial = true; offset = null; }
  }
  all = { ...held, names: [...held.names.values()], partial: held.partial || (all.partial && part !== "") };
  filter();
}

function spread(cells, place, size) {
  const spaced = new Array(size).fill("-");
  place.forEach((to, from) => { spaced[to] = cells[from]; });
  return spaced.join("");
}

/** Chooses rows and columns, and draws them from the beginning. */
function filter() {
  const words = by("names-word").value.trim().toLowerCase().split(/\s+/), part = by("names-vpc").value.trim().toLowerCase();
  const status = by("names-status").value;
  names = all.names.filter((name) => words.every((word) => name.words.includes(word)));
  vpcs = all.vpcs.filter((vpc) => vpc.words.includes(part));
  const sums = { P: 0, U: 0, O: 0, N: 0, "-": 0 }, ofName = new Uint32Array(all.names.length);
  const keeps = vpcs.map((vpc) => {
    let keep = false;
    for (const name of names) {
      const letter = vpc.cells[name.number] ?? "-";
      sums[letter]++;
      if (letter === status) { keep = true; ofName[name.number]++; }
    }
    return keep;
  });
  if (status) {
    vpcs = vpcs.filter((_, column) => keeps[column]);
    names = names.filter((name) => ofName[name.number]);
  }
  const of = (some, every, word) => (some === every ? count(every, word) : `${number(some)} of ${count(every, word)}`);
  say(by("names-count"), `${of(names.length, all.names.length, "name")} in ${of(vpcs.length, all.total, "VPC")}: `
    + `${number(sums.O)} off, ${number(sums.P)} private, ${number(sums.U)} public, ${number(sums.N)} without endpoint`
    + (all.partial ? ". Too much to hold at once: name a VPC to find others" : ""));
  at = { row: Math.max(0, Math.min(at.row, names.length - 1)), column: Math.max(0, Math.min(at.column, vpcs.length - 1)) };
  grid.scrollTop = grid.scrollLeft = 0;
  rows = columns = [];
  draw();
}

const widths = () => (grid.clientWidth < 600 ? [196, 176] : [400, 184]);

/** Draws what is seen, and one row and column around it. */
function draw() {
  const empty = !names.length || !vpcs.length;
  grid.setAttribute("aria-rowcount", empty ? 1 : names.length + 1);
  grid.setAttribute("aria-colcount", empty ? 1 : vpcs.length + 1);
  if (empty) {
    const row = make("div", "", make("div", "empty", all.names.length ? "Nothing matches." : "No endpoint has been read yet."));
    row.setAttribute("role", "row"); row.firstChild.setAttribute("role", "gridcell"); row.firstChild.tabIndex = 0;
    place(sheet, { width: "100%", height: "auto" });
    return fill(sheet, row);
  }
  if (!grid.clientWidth) return;
  const [title, wide] = widths(), had = grid.contains(document.activeElement) && document.activeElement.role !== "grid";
  const first = { row: Math.max(0, Math.floor(grid.scrollTop / ROW) - 1), column: Math.max(0, Math.floor(grid.scrollLeft / wide) - 1) };
  const last = {
    row: Math.min(names.length, first.row + Math.ceil(grid.clientHeight / ROW) + 2),
    column: Math.min(vpcs.length, first.column + Math.ceil((grid.clientWidth - title) / wide) + 3),
  };
  place(sheet, { width: `${title + vpcs.length * wide}px`, height: `${HEAD + names.length * ROW}px` });
  rows = range(first.row, last.row);
  columns = range(first.column, last.column);
  const head = line("head", 1, cell("columnheader", "title", 1, { width: `${title}px` }, make("span", "", "Name"), make("span", "sub", "Service")));
  for (const column of columns) {
    const vpc = vpcs[column], where = { left: `${title + column * wide}px`, width: `${wide}px` };
    head.append(cell("columnheader", "cell vpc", column + 2, where, make("span", "mono", vpc.vpc_id), make("span", "sub", vpc.region)));
  }
  const body = rows.map((row) => {
    const name = names[row], entry = line("", row + 2, title_of(name, title));
    place(entry, { top: `${HEAD + row * ROW}px` });
    for (const column of columns) {
      const letter = vpcs[column].cells[name.number] ?? "-", where = { left: `${title + column * wide}px`, width: `${wide}px` };
      const shown = cell("gridcell", `cell ${letter === "-" ? "x" : letter}`, column + 2, where, WORDS[letter]);
      shown.tabIndex = row === at.row && column === at.column ? 0 : -1;
      shown.dataset.row = row; shown.dataset.column = column;
      entry.append(shown);
    }
    return entry;
  });
  fill(sheet, head, ...body);
  // one cell can be reached by Tab, wherever the grid was scrolled to
  const active = cell_at(at.row, at.column) ?? sheet.querySelector("[data-row]");
  active.tabIndex = 0;
  if (had) active.focus({ preventScroll: true });
}

function title_of(name, width) {
  const shown = cell("rowheader", "title", 1, { width: `${width}px` }, make("span", "name", name.name || "(no private name)"), make("span", "sub", name.service_name));
  shown.title = name.name || name.service_name;
  return shown;
}

function line(kind, index, first) {
  const entry = make("div", `row ${kind}`, first);
  entry.setAttribute("role", "row");
  entry.setAttribute("aria-rowindex", index);
  return entry;
}

function cell(role, kind, index, where, ...children) {
  const entry = make("div", kind, ...children);
  entry.setAttribute("role", role);
  entry.setAttribute("aria-colindex", index);
  return place(entry, where);
}

function place(element, where) {
  for (const [key, value] of Object.entries(where)) element.style[key] = value;
  return element;
}

const range = (from, to) => Array.from({ length: to - from }, (_, step) => from + step);
const cell_at = (row, column) => sheet.querySelector(`[data-row="${row}"][data-column="${column}"]`);

function focused(event) {
  const { row, column } = event.target.dataset;
  if (row !== undefined) at = { row: Number(row), column: Number(column) };
}

function chosen(event) {
  const shown = event.target.closest("[data-row]");
  if (shown) onCell(Number(shown.dataset.row), Number(shown.dataset.column));
}

/** Gives the cell that was chosen last the focus: while its details were shown, it may have been drawn anew. */
export function refocus() {
  cell_at(at.row, at.column)?.focus({ preventScroll: true });
}

/** The keys of a grid (ARIA Authoring Practices, "Data Grid"). */
function move(event) {
  const page = Math.max(1, Math.floor((grid.clientHeight - HEAD) / ROW) - 1), ends = event.ctrlKey;
  const steps = {
    ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-page, 0], PageDown: [page, 0],
    Home: [ends ? -Infinity : 0, -Infinity], End: [ends ? Infinity : 0, Infinity],
  };
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return onCell(at.row, at.column); }
  const step = steps[event.key];
  if (!step || !names.length || !vpcs.length) return;
  event.preventDefault();
  at = {
    row: Math.max(0, Math.min(names.length - 1, at.row + step[0])), column: Math.max(0, Math.min(vpcs.length - 1, at.column + step[1])),
  };
  const [title, wide] = widths(), top = at.row * ROW, left = at.column * wide;
  grid.scrollTop = Math.min(top, Math.max(grid.scrollTop, top + ROW + HEAD - grid.clientHeight));
  grid.scrollLeft = Math.min(left, Math.max(grid.scrollLeft, left + wide + title - grid.clientWidth));
  draw();
  cell_at(at.row, at.column)?.focus({ preventScroll: true });
}
