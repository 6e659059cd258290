// "Use this" copies the resolution of a similar ticket. Without scripts the text can be copied by hand.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector("[data-resolution]");
  if (!field) return;
  document.querySelectorAll("[data-use]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const text = document.getElementById(button.dataset.use).textContent;
      field.value = field.value.trim() ? `${field.value.trimEnd()}\n\n${text}` : text;
      field.focus();
    });
  });
});
