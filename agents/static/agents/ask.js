// The assistant's question form: Ctrl+Enter sends, and a status shows while the answer is prepared.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-ask]").forEach((form) => {
  const busy = form.querySelector("[data-busy]"), hint = form.querySelector("[data-hint]");
  if (hint) hint.hidden = false;
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!event.repeat) form.querySelector("[data-send]").click();
  });
  form.addEventListener("submit", () => { if (busy) busy.textContent = "Answering…"; });
  addEventListener("pageshow", () => { if (busy) busy.textContent = ""; });
}));
