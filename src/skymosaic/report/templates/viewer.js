"use strict";
// The mosaics: side by side, blinking or under a slider, with one zoom for all of them.
function startViewer(viewer) {
  document.documentElement.classList.add("live");
  const stage = viewer.querySelector(".stage");
  const told = viewer.querySelector("[role=status]");
  const find = (name) => viewer.querySelector(`[data-part="${name}"]`);
  const state = { kind: "mosaic", layout: "side", playing: false, shown: 0, zoom: 1, x: 0, y: 0 };
  let timer = null;
  const all = [...stage.querySelectorAll(".pane")];
  const panes = () => all.filter((pane) => pane.dataset.kind === state.kind);
  const titleOf = (pane) => pane.querySelector("figcaption").textContent;

  function draw() {
    const its = panes();
    for (const pane of all) {
      pane.hidden = !its.includes(pane);
      pane.classList.remove("shown", "base", "over");
      const img = pane.querySelector("img");
      img.style.transform = `translate(${state.x}%, ${state.y}%) scale(${state.zoom})`;
    }
    stage.classList.toggle("one", state.layout !== "side");
    stage.classList.toggle("blinking", state.layout === "blink");
    stage.classList.toggle("sliding", state.layout === "slide");
    stage.classList.toggle("zoomed", state.zoom > 1);
    if (state.layout === "blink") {
      state.shown = ((state.shown % its.length) + its.length) % its.length;
      its[0].classList.add("base");
      its[state.shown].classList.add("shown");
    }
    if (state.layout === "slide") {
      const [under, over] = ["under", "over"].map((part) => its[Number(find(part).value)]);
      for (const pane of its) pane.hidden = pane !== under && pane !== over;
      if (over !== under) over.classList.add("over");
      stage.style.setProperty("--edge", `${find("edge").value}%`);
    }
    for (const tone of viewer.querySelectorAll(".tone")) tone.hidden = tone.dataset.kind !== state.kind;
    for (const button of viewer.querySelectorAll("button[data-kind]")) button.setAttribute("aria-pressed", button.dataset.kind === state.kind);
    for (const button of viewer.querySelectorAll("button[data-layout]")) button.setAttribute("aria-pressed", button.dataset.layout === state.layout);
    find("blinking").hidden = state.layout !== "blink";
    find("sliding").hidden = state.layout !== "slide";
    find("play").textContent = state.playing ? "Pause" : "Play";
    find("zoom").textContent = `${Math.round(state.zoom * 100)}%`;
  }
  function fillChoices() {
    const its = panes();
    ["under", "over"].forEach((part, number) => {
      const choice = find(part);
      choice.replaceChildren(...its.map((pane, value) => new Option(titleOf(pane), value)));
      choice.value = String(Math.min(number, its.length - 1));
    });
  }
  function play(on) {
    state.playing = on;
    clearInterval(timer);
    if (on) timer = setInterval(() => { state.shown += 1; draw(); }, 1000 * Number(find("pace").value));
    draw();
  }
  function step(by) {
    play(false);
    state.shown += by;
    draw();
    told.textContent = titleOf(panes()[state.shown]);
  }
  function zoomTo(zoom, fx = 0.5, fy = 0.5) {
    const next = Math.min(Math.max(zoom, 1), 16);
    const ratio = next / state.zoom;
    // The point under (fx, fy), in percent of the picture, stays where it is.
    state.x = 100 * fx - (100 * fx - state.x) * ratio;
    state.y = 100 * fy - (100 * fy - state.y) * ratio;
    state.zoom = next;
    move(0, 0);
  }
  function move(dx, dy) {
    const room = 100 * (state.zoom - 1);
    state.x = Math.min(0, Math.max(-room, state.x + dx));
    state.y = Math.min(0, Math.max(-room, state.y + dy));
    draw();
  }
  function layout(name) {
    state.layout = name;
    if (name === "slide") fillChoices();
    play(name === "blink");
  }
  function kind(name) {
    state.kind = name;
    state.shown = 0;
    fillChoices();
    draw();
  }
  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { kind: named, layout: laid, act } = button.dataset;
    if (named) kind(named);
    if (laid) layout(laid);
    const acts = { in: () => zoomTo(state.zoom * 1.5), out: () => zoomTo(state.zoom / 1.5), whole: () => zoomTo(1), play: () => play(!state.playing), next: () => step(1), back: () => step(-1) };
    if (act) acts[act]();
  });
  viewer.addEventListener("input", (event) => {
    if (event.target.dataset.part === "pace") play(state.playing);
    else draw();
  });
  stage.addEventListener("keydown", (event) => {
    const keys = {
      "+": () => zoomTo(state.zoom * 1.5), "=": () => zoomTo(state.zoom * 1.5), "-": () => zoomTo(state.zoom / 1.5), "0": () => zoomTo(1),
      ArrowLeft: () => move(10, 0), ArrowRight: () => move(-10, 0), ArrowUp: () => move(0, 10), ArrowDown: () => move(0, -10),
      " ": () => (state.layout === "blink" ? play(!state.playing) : layout("blink")), n: () => step(1), p: () => step(-1),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  stage.addEventListener("wheel", (event) => {
    // Without Ctrl the wheel scrolls the page, as everywhere else on it.
    const frame = event.target.closest(".window");
    if (!frame || !event.ctrlKey) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoomTo(state.zoom * Math.exp(-event.deltaY / 300), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  let last = null;
  stage.addEventListener("pointerdown", (event) => {
    const frame = event.target.closest(".window");
    if (!frame) return;
    last = { x: event.clientX, y: event.clientY, box: frame.getBoundingClientRect() };
    if (state.zoom > 1) stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!last || !event.buttons) return;
    if (state.zoom > 1) {
      move(100 * (event.clientX - last.x) / last.box.width, 100 * (event.clientY - last.y) / last.box.height);
      last = { ...last, x: event.clientX, y: event.clientY };
    } else if (state.layout === "slide") {
      find("edge").value = 100 * (event.clientX - last.box.left) / last.box.width;
      draw();
    }
  });
  stage.addEventListener("pointerup", () => { last = null; });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  fillChoices();
  draw();
}
document.querySelectorAll(".viewer").forEach(startViewer);
