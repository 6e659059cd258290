// Show possible duplicates as soon as a name, address, phone or company is typed. Without scripts, saving asks.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("[data-duplicates-url]");
  const form = box?.closest("form");
  if (!form) return;
  const names = box.dataset.fields.split(" ").filter(Boolean);
  let latest = 0;
  const show = async () => {
    const query = new URLSearchParams(names.map((name) => [name, form.elements[name]?.value ?? ""]));
    if (box.dataset.record) query.set("record", box.dataset.record);
    if (form.elements._popup) query.set("_popup", "1");
    const request = ++latest;
    try {
      const answer = await fetch(`${box.dataset.duplicatesUrl}?${query}`);
      if (answer.ok && !answer.redirected && request === latest) box.innerHTML = await answer.text();
    } catch { /* Saving asks in any case. */ }
  };
  names.forEach((name) => form.elements[name]?.addEventListener("change", show));
});
