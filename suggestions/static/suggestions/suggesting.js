// The searches for a record say what they are for, and what is chosen, to whoever hears the page.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("select.admin-autocomplete").forEach((select) => {
  const label = document.querySelector(`label[for="${select.id}"]`);
  const tell = () => {
    const shown = select.parentElement.querySelector(".select2-selection__rendered");
    const said = [label.textContent.trim(), select.selectedOptions[0]?.textContent.trim()].filter(Boolean).join(": ");
    if (shown && shown.getAttribute("aria-label") !== said) shown.setAttribute("aria-label", said);
  };
  if (label) new MutationObserver(tell).observe(select.parentElement, { childList: true, subtree: true });
  if (label) tell();
}));
