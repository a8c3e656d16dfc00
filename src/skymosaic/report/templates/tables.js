"use strict";
// Tables are sorted by a click on a column's head, and long ones filtered by what is typed.
const longTables = new Map();  // those of which the page holds a part
function sortTable(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const column = [...head.parentNode.children].indexOf(head);
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  if (longTables.has(table)) {
    longTables.get(table).ask(() => longTables.get(table).sort(column, descending));
    return;
  }
  const sign = descending ? -1 : 1;
  const key = (row) => row.children[column].dataset.v;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    const difference = Number(x) - Number(y);
    return sign * (Number.isNaN(difference) ? x.localeCompare(y, "en") : difference);
  });
  table.tBodies[0].append(...rows);
}
function filterTable(input) {
  const table = document.getElementById(input.dataset.table);
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (longTables.has(table)) {
    longTables.get(table).ask(() => longTables.get(table).search(words));
    return;
  }
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    const state = input.dataset.state;
    const fits = words.every((word) => text.includes(word)) && (!state || row.dataset.state === state);
    row.hidden = !fits;
    shown += fits;
  }
  const told = document.getElementById(input.id + "-count");
  if (told) told.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("thead th button");
  if (button) sortTable(button);
});
document.addEventListener("input", (event) => {
  if (event.target.dataset.table) filterTable(event.target);
});
