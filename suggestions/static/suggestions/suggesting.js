// Name the autocomplete fields for screen readers: the label and the chosen record.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("select.admin-autocomplete").forEach((select) => {
  const label = document.querySelector(`label[for="${select.id}"]`);
  const tell = () => {
    const shown = select.parentElement.querySelector(".select2-selection__rendered");
    const name = [label.textContent.trim(), select.selectedOptions[0]?.textContent.trim()].filter(Boolean).join(": ");
    if (shown && shown.getAttribute("aria-label") !== name) shown.setAttribute("aria-label", name);
  };
  if (label) new MutationObserver(tell).observe(select.parentElement, { childList: true, subtree: true });
  if (label) tell();
}));
