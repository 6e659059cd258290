// What a list does without loading a page. Every form of it works without scripts, too.
document.addEventListener("DOMContentLoaded", () => {
  // A column moves by its buttons or by dragging; the first one stays the first.
  const entry = (target) => target.closest?.("[data-columns] li[draggable]");
  const move = (item, other, isAfter) => {
    if (!other?.draggable || other === item) return;
    item.parentElement.insertBefore(item, isAfter ? other.nextElementSibling : other);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-columns] button[name=up], [data-columns] button[name=down]");
    if (!button) return;
    event.preventDefault();
    const item = entry(button), isDown = button.name === "down";
    move(item, isDown ? item.nextElementSibling : item.previousElementSibling, isDown);
    button.focus();
    item.scrollIntoView({ block: "nearest" });
  });
  let dragged = null;
  document.addEventListener("dragstart", (event) => {
    dragged = entry(event.target);
    if (dragged) event.dataTransfer.effectAllowed = "move";
  });
  document.addEventListener("dragover", (event) => {
    const over = dragged && entry(event.target);
    if (!over) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    move(dragged, over, event.clientY > box.top + box.height / 2);
  });
  document.addEventListener("dragend", () => { dragged = null; });

  // Show only the entries of a list whose words contain what is typed.
  document.addEventListener("input", ({ target }) => {
    if (!target.matches?.("[data-narrow]")) return;
    const words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
    const items = [...document.querySelectorAll(`${target.dataset.narrow} > li`)];
    items.forEach((item) => {
      const text = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word)) || (!words.length && "foundOnly" in item.dataset);
    });
    const nothing = document.querySelector(`${target.dataset.narrow} ~ [data-nothing]`);
    if (nothing) nothing.hidden = items.some((item) => !item.hidden);
  });
  // Down and up lead through the names that are left; Enter opens the first.
  document.addEventListener("keydown", (event) => {
    const list = document.getElementById("filter-names");
    if (!list || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
    const search = document.getElementById("find-filter"), places = [search, ...list.querySelectorAll("li:not([hidden]) > a")];
    const here = places.indexOf(document.activeElement);
    if (here < 0 || (event.key === "Enter" && here > 0)) return;
    event.preventDefault();
    if (event.key === "Enter") places[1]?.click();
    else places[here + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  });

  // j and k lead through the rows, x selects one; other keys open the form of a value in the row. The inbox has its own.
  const rows = [...document.querySelectorAll("#result_list tbody tr")];
  const here = () => rows.findIndex((row) => row.contains(document.activeElement));
  const focusRow = (place) => {
    const link = rows[place]?.querySelector("a.name, a");
    link?.focus({ preventScroll: true });
    rows[place]?.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.key.length !== 1) return;
    if (event.target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable], dialog")) return;
    const row = rows[here()], link = row?.querySelector(`a[data-row-key="${CSS.escape(event.key)}"]`);
    if (link && !event.repeat) { event.preventDefault(); link.click(); return; }
    if (document.querySelector("[data-own-row-keys]") || !rows.length) return;
    if (event.key === "j") focusRow(Math.min(here() + 1, rows.length - 1));
    else if (event.key === "k") focusRow(here() < 0 ? rows.length - 1 : Math.max(here() - 1, 0));
    else if (event.key === "x" && row && !event.repeat) row.querySelector("input.action-select")?.click();
  });
  // After a change in a row, the keyboard goes on there; before the page has loaded, the browser takes the focus away.
  const goOn = () => { if (location.hash.startsWith("#row-")) focusRow(rows.findIndex((row) => `#${row.id}` === location.hash)); };
  addEventListener("load", () => setTimeout(goOn));

  // Delete removes the filter that has the focus.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Delete" && event.key !== "Backspace") return;
    const chip = event.target.matches?.(".chip > .remove, .chip summary") && event.target.closest(".chip");
    if (!chip) return;
    event.preventDefault();
    chip.querySelector(".remove").click();
  });

  // Add the questions of a line to the form of the columns, in its place.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("details [data-columns] button[name=add]");
    if (!button) return;
    event.preventDefault();
    const form = button.form, data = new FormData(form, button), mark = form.action.includes("?") ? "&" : "?";
    try {
      const answer = await fetch(`${form.action}${mark}in_place=1`, { method: "POST", body: data });
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      form.innerHTML = await answer.text();
      form.querySelector("#add-form")?.focus();
    } catch { form.requestSubmit(button); }
  });
});
