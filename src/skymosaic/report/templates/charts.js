"use strict";
// Bokeh's figures, and check boxes that do for the keyboard what a click in the legend does.
function everyRenderer(model, found = []) {
  if (model.renderers) found.push(...model.renderers);
  for (const child of model.children || []) everyRenderer(Array.isArray(child) ? child[0] : child, found);
  return found;
}
async function embedChart(place) {
  const item = JSON.parse(document.getElementById(`data-${place.id}`).textContent);
  const views = await Bokeh.embed.embed_item(item, place.id);
  const view = views.roots ? views.roots[0] : [...views][0];
  place.dataset.ready = "yes";
  place.view = view;
  for (const box of document.querySelectorAll(`input[data-chart="${place.id}"]`)) {
    const its = everyRenderer(view.model).filter((one) => one.name === box.dataset.method);
    const follow = () => { box.checked = its.every((one) => one.visible); };
    box.addEventListener("change", () => its.forEach((one) => { one.visible = box.checked; }));
    its.forEach((one) => one.properties.visible.change.connect(follow));
  }
}
// A figure is drawn when it is about to be seen: the page opens sooner.
function embedCharts() {
  const watch = new IntersectionObserver((entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      watch.unobserve(target);
      embedChart(target).catch((error) => {
        document.documentElement.classList.remove("live");
        throw error;
      });
    }
  }, { rootMargin: "800px" });
  document.querySelectorAll(".chart").forEach((place) => watch.observe(place));
}
if (window.Bokeh) {
  document.documentElement.classList.add("live");
  embedCharts();
}
