"use strict";
// Tables of which the page holds a part: all rows are unpacked when a reader sorts, searches or turns
// a page, and so many are shown at a time.
const ROWS_A_PAGE = 100;
const besideRows = new Map();
function skymosaicRows(name, packed) { besideRows.set(name, packed); }

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}
function loadBeside(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${file} is not beside this page`));
    document.head.append(script);
  });
}

class LongTable {
  constructor(table) {
    this.table = table;
    this.name = table.id.replace("table-", "");
    this.file = `${this.name}.ecsv`;
    this.pages = document.querySelector(`[data-pages="${table.id}"]`);
    this.state = this.pages.querySelector("[role=status]");
    this.sorted = null;
    this.words = [];
    this.first = 0;
    this.pages.addEventListener("click", ({ target }) => {
      const { page } = target.dataset;
      if (page) this.ask(() => this.turn(page));
    });
  }
  // What is asked for while the rows are on their way happens once they are there, in turn.
  ask(change) {
    this.waiting = (this.waiting || this.load()).then(() => { change(); this.draw(); });
    this.waiting.catch((error) => {
      this.waiting = null;
      this.state.textContent = `The other rows cannot be shown: ${error.message}. All are in ${this.file}.`;
    });
  }
  async load() {
    this.state.textContent = "Loading the rows";
    if (this.table.dataset.beside && !besideRows.has(this.name)) await loadBeside(this.table.dataset.beside);
    const inside = document.getElementById(`rows-${this.name}`);
    this.rows = await unpack(inside ? inside.textContent : besideRows.get(this.name));
    for (const column of this.rows.columns) {
      if (column.number) column.keys = Float64Array.from(column.texts, (text) => (text === null ? NaN : parseFloat(text)));
    }
    this.order = Uint32Array.from({ length: this.rows.total }, (_, row) => row);
    this.found = this.order;
  }
  turn(page) {
    const last = Math.max(0, Math.ceil(this.found.length / ROWS_A_PAGE) - 1) * ROWS_A_PAGE;
    const to = { first: 0, back: this.first - ROWS_A_PAGE, next: this.first + ROWS_A_PAGE, last };
    this.first = Math.min(Math.max(to[page], 0), last);
  }
  sort(place, descending) {
    const { texts, keys } = this.rows.columns[place];
    const sign = descending ? -1 : 1;
    const words = new Intl.Collator("en");
    const missing = (row) => (keys ? Number.isNaN(keys[row]) : texts[row] === null);
    this.order = this.order.slice().sort((a, b) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      return sign * (keys ? keys[a] - keys[b] : words.compare(texts[a], texts[b])) || a - b;
    });
    this.search(this.words);
  }
  search(words) {
    this.words = words;
    this.first = 0;
    this.found = this.order;
    if (!words.length) return;
    const { columns } = this.rows;
    this.lines = this.lines || Array.from({ length: this.rows.total }, (_, row) => columns.map(({ texts, missing }) => texts[row] ?? missing).join("\n").toLowerCase());
    this.found = this.order.filter((row) => words.every((word) => this.lines[row].includes(word)));
  }
  cell({ texts, marks, missing, number }, row, place) {
    const one = document.createElement(place ? "td" : "th");
    if (!place) one.scope = "row";
    const text = texts[row];
    one.textContent = text ?? missing;
    if (text !== null) one.dataset.v = text;
    const mark = { g: "good", b: "bad" }[marks[row]] || (text === null ? "missing" : number && place ? "number" : "");
    if (mark) one.className = mark;
    return one;
  }
  draw() {
    const shown = [...this.found.slice(this.first, this.first + ROWS_A_PAGE)];
    this.table.tBodies[0].replaceChildren(...shown.map((row) => {
      const line = document.createElement("tr");
      line.append(...this.rows.columns.map((column, place) => this.cell(column, row, place)));
      return line;
    }));
    const rows = shown.length ? `Rows ${this.first + 1} to ${this.first + shown.length}` : "No rows";
    const all = this.words.length ? `${this.found.length} that fit, of ${this.rows.total}` : this.rows.total;
    this.state.textContent = `${rows} of ${all}; all are in ${this.file}.`;
  }
}
if (window.DecompressionStream) {
  document.documentElement.classList.add("paged");
  document.querySelectorAll("table[data-total]").forEach((table) => longTables.set(table, new LongTable(table)));
}
