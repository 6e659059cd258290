// The key ? opens a list of the keys of the page and of those that every page has.
document.addEventListener("DOMContentLoaded", () => {
  const list = document.getElementById("key-list");
  if (!list?.showModal) return;
  const open = () => {
    const own = [...document.querySelectorAll("[data-keys]")].map((keys) => {
      const copy = (keys.querySelector("dl") ?? keys).cloneNode(true);
      ["data-keys", "aria-hidden"].forEach((name) => copy.removeAttribute(name));
      return copy;
    });
    list.querySelector("[data-page-keys]").replaceChildren(...own);
    list.showModal();
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const typing = target.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !["checkbox", "radio"].includes(target.type));
    if (event.key !== "?" || typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    open();
  });
  // The keys of the page below do nothing while the list is open.
  list.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "?") list.close();
  });
  list.addEventListener("click", (event) => { if (event.target === list) list.close(); }); // beside the list
});
