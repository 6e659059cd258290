// The searches for a record say what they are for, and what is chosen, to whoever hears the page.
window.addEventListener("load", () => document.querySelectorAll("select.admin-autocomplete").forEach((select) => {
  const label = document.querySelector(`label[for="${select.id}"]`), shown = document.getElementById(`select2-${select.id}-container`);
  if (!label || !shown) return;
  const tell = () => shown.setAttribute("aria-label", [label.textContent.trim(), select.selectedOptions[0]?.textContent.trim()].filter(Boolean).join(": "));
  window.django.jQuery(select).on("change", tell);
  tell();
}));
