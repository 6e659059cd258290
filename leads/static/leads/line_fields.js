// Choosing a line shows its fields at once. Without this script the button under the choice does.
document.addEventListener("DOMContentLoaded", () => {
  const button = document.querySelector("[name=_show_line]");
  const line = document.querySelector("[name=insurance_type]");
  if (!button || !line) return;
  button.hidden = true;
  line.addEventListener("change", () => line.form.requestSubmit(button));
});
