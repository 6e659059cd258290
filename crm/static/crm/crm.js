// Small conveniences; every screen works without them.
document.addEventListener("DOMContentLoaded", () => {
  const rows = () => [...document.querySelectorAll("input.action-select")];
  const picked = document.getElementById("picked");
  const all = document.getElementById("all-rows");
  const count = () => {
    const chosen = rows().filter((box) => box.checked).length;
    if (picked) picked.textContent = chosen ? `${chosen} selected` : "";
  };
  if (all) all.addEventListener("change", () => { rows().forEach((box) => { box.checked = all.checked; }); count(); });
  rows().forEach((box) => box.addEventListener("change", count));

  // Only one sheet is open at a time; Escape and a click elsewhere close it.
  const sheets = () => [...document.querySelectorAll("details.pop[open]")];
  document.addEventListener("click", (event) => sheets().forEach((sheet) => { if (!sheet.contains(event.target)) sheet.open = false; }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    sheets().forEach((sheet) => { sheet.open = false; sheet.querySelector("summary").focus(); });
  });

  // A custom field becomes a parameter of its own.
  document.querySelectorAll("[data-custom-filter]").forEach((box) => {
    const key = box.querySelector("[data-cf-key]"), value = box.querySelector("[data-cf-value]");
    box.closest("form").addEventListener("submit", () => { if (key.value && value.value) value.name = `cf.${key.value}`; });
  });

  // Empty filters stay out of the address.
  document.querySelectorAll("form[method=get]").forEach((form) => form.addEventListener("submit", () => {
    [...form.elements].forEach((field) => { if (field.name && field.value === "") field.disabled = true; });
  }));

  // A deed is sent once, however often its button is pressed.
  document.querySelectorAll("form[method=post]").forEach((form) => form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  }));
});
