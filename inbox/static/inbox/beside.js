// On a wide screen the list stands beside the conversation. Without scripts the links above lead through it.
document.addEventListener("DOMContentLoaded", async () => {
  const list = document.querySelector("[data-beside]");
  // A hidden list has no size: then it is not fetched.
  if (!list || !list.getClientRects().length) return;
  const answer = await fetch(list.dataset.beside).catch(() => null);
  if (!answer?.ok || answer.redirected) return list.remove();
  list.innerHTML = await answer.text();
  const here = list.querySelector(".here");
  if (here) list.scrollTop = here.offsetTop - list.clientHeight / 3;
});
