// Keys of the approvals screen. Everything they do can be done with the links and buttons they press.
document.addEventListener("DOMContentLoaded", () => {
  const rows = [...document.querySelectorAll("a[data-beside]")];
  const here = rows.findIndex((row) => row.getAttribute("aria-current"));
  const follow = (link) => { if (link) window.location.assign(link.href); };
  const go = (steps) => {
    if (!rows.length) return follow(steps > 0 ? document.querySelector("a[data-next]") : null);
    const there = here + steps;
    if (rows[there]) return follow(rows[there]);
    return follow(document.querySelector(steps > 0 ? ".foot a[rel=next]" : ".foot a[rel=prev]"));
  };
  const press = (key) => { const button = document.querySelector(`[data-key="${key}"]`); if (button) button.click(); return button; };
  const ask = (key) => {
    const summary = press(key);
    if (!summary) return;
    const field = summary.parentElement.querySelector("textarea, select");
    if (summary.parentElement.open && field) field.focus();
  };
  const edit = () => { const field = document.querySelector("[data-content] :is(input:not([type=hidden]), textarea, select)"); if (field) field.focus(); };
  const keys = { j: () => go(1), k: () => go(-1), a: () => press("a"), e: edit, r: () => ask("r"), s: () => ask("s") };

  document.addEventListener("keydown", (event) => {
    // A key that is held down must not decide one suggestion after the other.
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // The button says what it will record as soon as a field differs from what was proposed.
  const form = document.querySelector("[data-content]"), label = document.querySelector("[data-approve-label]");
  if (form && label) {
    const plain = label.textContent;
    const inputs = [...form.elements].filter((field) => field.name.startsWith("content."));
    const was = (field) => field.type === "checkbox" ? field.defaultChecked : field.tagName === "SELECT" ? [...field.options].find((option) => option.defaultSelected)?.value ?? field.options[0]?.value : field.defaultValue;
    const is = (field) => field.type === "checkbox" ? field.checked : field.value;
    form.addEventListener("input", () => {
      const changed = inputs.some((field) => is(field) !== was(field));
      label.textContent = changed && plain === "Approve" ? "Approve with changes" : plain;
    });
  }
  const current = rows[here];
  if (current) current.closest("tr").scrollIntoView({ block: "nearest" });
});
