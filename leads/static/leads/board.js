// Dragging a card moves its lead, and so do the arrow keys with Shift. The "Move" link of a card does it without scripts.
document.addEventListener("DOMContentLoaded", () => {
  const board = document.querySelector(".board");
  if (!board) return;
  const may = Boolean(board.dataset.may);
  const error = document.getElementById("board-error"), status = document.getElementById("board-status");
  const lists = () => [...board.querySelectorAll(".cards-of")];
  const cards = (list) => [...list.querySelectorAll(".lead-card")];
  const nameOf = (card) => card.querySelector("a").textContent.trim();
  const show = (text) => { error.textContent = text; error.hidden = !text; };
  let lastMove = null;

  // The further cards of a lane are fetched as its end comes into sight.
  const load = async (more) => {
    if (more.dataset.asked) return;
    more.dataset.asked = "1";
    try {
      const answer = await fetch(more.dataset.more);
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      const found = document.createElement("template");
      found.innerHTML = await answer.text();
      const shown = new Set([...board.querySelectorAll("[data-lead]")].map((card) => card.dataset.lead));
      found.content.querySelectorAll("[data-lead]").forEach((card) => { if (shown.has(card.dataset.lead)) card.remove(); });
      const next = found.content.querySelector("[data-more]");
      more.replaceWith(found.content);
      if (next) watch.observe(next);
    } catch { delete more.dataset.asked; }
  };
  const watch = new IntersectionObserver((seen) => {
    seen.forEach((one) => { if (one.isIntersecting) load(one.target); });
  }, { rootMargin: "400px" });
  board.querySelectorAll("[data-more]").forEach((more) => watch.observe(more));

  const markEmpty = () => lists().forEach((list) => {
    list.parentElement.querySelector("[data-empty]").hidden = cards(list).length > 0;
  });

  const placeOf = (card) => ({ list: card.parentElement, next: card.nextElementSibling });
  const put = (card, place) => {
    const next = place.next?.parentElement === place.list ? place.next : null;
    place.list.insertBefore(card, next ?? place.list.querySelector("[data-more]"));
  };
  const neighbour = (card, side) => {
    const other = side === "before" ? card.previousElementSibling : card.nextElementSibling;
    return other?.dataset.lead ?? "";
  };

  // Tell the server where `card` stands now; `home` is where it goes back to if the move is refused.
  const save = async (card, home, stage, { isUndo = false } = {}) => {
    const data = new FormData(), from = card.dataset.from;
    data.append("lead", card.dataset.lead);
    data.append("stage", stage);
    data.append("from", from);
    data.append("before", neighbour(card, "before"));
    data.append("after", neighbour(card, "after"));
    data.append("csrfmiddlewaretoken", board.querySelector("[name=csrfmiddlewaretoken]").value);
    try {
      const answer = await fetch(board.dataset.move, { method: "POST", body: data, headers: { Accept: "application/json" } });
      const result = await answer.json();
      if (result.ask) { put(card, home); window.location = result.ask; return; }
      if (result.error) { put(card, home); show(result.error); return; }
      card.dataset.from = stage;
      for (const total of board.querySelectorAll("[data-total]")) {
        total.textContent = result.totals[total.dataset.total] ?? total.textContent;
      }
      lastMove = isUndo ? null : { card, home, stage: from };
      show("");
      status.textContent = `${nameOf(card)}: ${card.parentElement.dataset.label}`;
    } catch { put(card, home); show("The lead was not moved. Check your connection and try again."); }
    finally { markEmpty(); }
  };

  // Dragging
  let dragged = null, home = null;
  const zoneAt = (target) => target.closest?.("[data-zone]");
  const endDrag = () => {
    dragged = null;
    document.documentElement.classList.remove("dragging-card");
    document.querySelectorAll(".drop-zone.over").forEach((zone) => zone.classList.remove("over"));
  };
  document.addEventListener("dragstart", (event) => {
    dragged = may && board.contains(event.target) ? event.target.closest(".lead-card") : null;
    if (!dragged) return;
    home = placeOf(dragged);
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.lead);
    document.documentElement.classList.add("dragging-card");
  });
  document.addEventListener("dragover", (event) => {
    if (!dragged) return;
    const zone = zoneAt(event.target), lane = event.target.closest?.(".lane");
    document.querySelectorAll(".drop-zone.over").forEach((one) => one.classList.toggle("over", one === zone));
    if (zone) { event.preventDefault(); zone.classList.add("over"); put(dragged, home); return; }
    if (!lane) return;
    event.preventDefault();
    const list = lane.querySelector(".cards-of"), over = event.target.closest(".lead-card");
    if (over === dragged) return;
    if (!over) { if (!list.contains(dragged)) put(dragged, { list, next: null }); return; }
    const box = over.getBoundingClientRect();
    list.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextElementSibling);
  });
  document.addEventListener("drop", (event) => {
    if (!dragged) return;
    event.preventDefault();
    const card = dragged, zone = zoneAt(event.target);
    save(card, home, zone ? zone.dataset.zone : card.parentElement.dataset.stage);
    endDrag();
  });
  document.addEventListener("dragend", (event) => {
    if (dragged && event.dataTransfer.dropEffect === "none") put(dragged, home);
    endDrag();
  });

  // Keys
  const focusCard = (card) => {
    card?.querySelector("a").focus({ preventScroll: true });
    card?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const beside = (card, step) => {
    const all = lists(), place = all.indexOf(card.parentElement), index = cards(card.parentElement).indexOf(card);
    for (let at = place + step; at >= 0 && at < all.length; at += step) {
      const there = cards(all[at]);
      if (there.length) return there[Math.min(index, there.length - 1)];
    }
    return null;
  };
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
  const go = (card, key) => {
    const column = cards(card.parentElement), isSideways = key === "ArrowLeft" || key === "ArrowRight";
    focusCard(isSideways ? beside(card, steps[key]) : column[column.indexOf(card) + steps[key]]);
  };
  const move = (card, key) => {
    const from = placeOf(card), column = cards(card.parentElement), step = steps[key];
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const list = lists()[lists().indexOf(card.parentElement) + step];
      if (!list) return;
      put(card, { list, next: list.firstElementChild });
    } else {
      const other = column[column.indexOf(card) + step];
      if (!other) return;
      from.list.insertBefore(card, step < 0 ? other : other.nextElementSibling);
    }
    focusCard(card);
    save(card, from, card.parentElement.dataset.stage);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, select, textarea, [contenteditable], dialog")) return;
    const card = event.target.closest?.(".lead-card") ?? null;
    if (event.key in steps) {
      if (!card && (event.shiftKey || event.target !== document.body)) return;
      event.preventDefault();
      if (!card) focusCard(board.querySelector(".lead-card"));
      else if (!event.shiftKey) go(card, event.key);
      else if (may && !event.repeat) move(card, event.key);
    } else if (event.key === "m" && card && may) {
      event.preventDefault();
      card.querySelector("[data-move-link]").click();
    } else if (event.key === "u" && lastMove && !event.repeat) {
      event.preventDefault();
      const { card: moved, home: back, stage } = lastMove, here = placeOf(moved);
      put(moved, back);
      focusCard(moved);
      save(moved, here, stage, { isUndo: true });
    }
  });
});
