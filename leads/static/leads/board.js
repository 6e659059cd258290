// Dragging a card moves its lead. The "Move" link of the card does the same without a mouse.
document.addEventListener("DOMContentLoaded", () => {
  const board = document.querySelector(".board");
  if (!board || !board.dataset.may) return;
  const error = document.getElementById("board-error");
  let dragged = null, home = null, next = null;

  const show = (text) => { error.textContent = text; error.hidden = !text; };
  const putBack = () => home.insertBefore(dragged, next);

  board.addEventListener("dragstart", (event) => {
    dragged = event.target.closest(".lead-card");
    if (!dragged) return;
    home = dragged.parentElement; next = dragged.nextElementSibling;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.lead);
  });
  board.addEventListener("dragover", (event) => {
    const lane = event.target.closest(".lane");
    if (!dragged || !lane) return;
    event.preventDefault();
    const list = lane.querySelector(".cards-of");
    const over = event.target.closest(".lead-card");
    if (over === dragged) return;
    if (!over) { if (!list.contains(dragged)) list.append(dragged); return; }
    const box = over.getBoundingClientRect();
    list.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextElementSibling);
  });
  board.addEventListener("drop", async (event) => {
    if (!dragged) return;
    event.preventDefault();
    const card = dragged, list = card.parentElement;
    const data = new FormData();
    data.append("lead", card.dataset.lead);
    data.append("stage", list.dataset.stage);
    data.append("from", card.dataset.from);
    data.append("before", card.previousElementSibling?.dataset.lead ?? "");
    data.append("after", card.nextElementSibling?.dataset.lead ?? "");
    data.append("csrfmiddlewaretoken", board.querySelector("[name=csrfmiddlewaretoken]").value);
    try {
      const answer = await fetch(board.dataset.move, { method: "POST", body: data, headers: { Accept: "application/json" } });
      const result = await answer.json();
      if (result.ask) { putBack(); window.location = result.ask; return; }
      if (result.error) { putBack(); show(result.error); return; }
      card.dataset.from = list.dataset.stage;
      for (const total of board.querySelectorAll("[data-total]")) {
        total.textContent = result.totals[total.dataset.total] ?? total.textContent;
      }
      show("");
    } catch { putBack(); show("The lead was not moved. Check your connection and try again."); }
    finally { dragged = null; }
  });
  board.addEventListener("dragend", (event) => {
    if (dragged && event.dataTransfer.dropEffect === "none") putBack();
    if (event.dataTransfer.dropEffect === "none") dragged = null;
  });
});
